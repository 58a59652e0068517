// Who waits for a kept result: what the broker is asked for it, and when. No test depends on how long
// something takes: what is not to come by itself would come in an hour.
#include "client/tasks/asking.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <future>
#include <vector>

#include "client/scripted_peer_test.hpp"
#include "client/tasks/askings.hpp"
#include "codec/amqp091/content.hpp"
#include "millrace/coroutines.hpp"

namespace millrace::tasks {
namespace {

using namespace std::chrono_literals;
using client_test::ScriptedPeer;
namespace amqp = amqp091;

constexpr const char* kKept = R"({"status": "SUCCESS", "result": 5, "task_id": "an-id"})";

// What came of it, as a text.
std::string outcome_of(const std::exception_ptr& error, const boost::json::value& value) {
  if (!error) return boost::json::serialize(value);
  const Failure failure(error);
  return std::string(to_string(failure.kind()));
}

struct AskingForKept : testing::Test {
  ScriptedPeer peer;
  ClientOptions options = options_for(peer);
  EventLoop loop;
  std::unique_ptr<Client> client;
  AskingPace pace{0, 1ms, 1ms, 1h};  // by itself it never looks again
  std::unique_ptr<Askings> askings;
  boost::asio::cancellation_signal stop;
  boost::asio::cancellation_signal stop_other;

  static ClientOptions options_for(const ScriptedPeer& peer) {
    ClientOptions options(peer.url());
    options.backoff_min = 1ms;
    options.close_timeout = 50ms;
    return options;
  }

  // Calls for it run on the loop, and the client ends them.
  ~AskingForKept() override {
    if (askings) askings->close(make_failure(ErrorKind::closed, "the test is over"));
    client.reset();
    loop.finish();
  }

  std::future<std::string> ask(Milliseconds timeout = 1h, boost::asio::cancellation_slot slot = {},
                               const std::string& id = "an-id") {
    if (!client) {
      client = std::make_unique<Client>(options);
      askings = std::make_unique<Askings>(
          *client, loop, "replies", [](const Then& then) { then(nullptr); }, pace);
    }
    auto told = std::make_shared<std::promise<std::string>>();
    auto tell = [told](const std::exception_ptr& error, const boost::json::value& value) {
      told->set_value(outcome_of(error, value));
    };
    askings->ask(id, timeout,
                 Asking::Done(boost::asio::bind_cancellation_slot(slot, std::move(tell)), loop.executor()));
    return told->get_future();
  }

  // The script. Definitions are asked for on the first channel, messages got on the second.

  void accept() {
    peer.accept_client();
    peer.expect_channel();
  }
  void expect_look() { EXPECT_EQ(peer.expect<amqp::queue::Declare>().queue, "millrace.result.an-id"); }
  void answer_look(std::uint32_t messages) { peer.send(1, amqp::queue::DeclareOk{"q", messages, 0}); }
  void look(std::uint32_t messages) {
    expect_look();
    answer_look(messages);
  }
  void refuse(std::uint16_t code, const char* why) {
    peer.send(1, amqp::channel::Close{code, why, 50, 10});
    peer.expect<amqp::channel::CloseOk>();
  }
  void expect_bind() {
    const auto bind = peer.expect<amqp::queue::Bind>();
    EXPECT_EQ(bind.exchange, "millrace.results");
    EXPECT_EQ(bind.queue, "replies");
    EXPECT_EQ(bind.routing_key, "an-id");
  }
  void expect_exchange() {
    const auto exchange = peer.expect<amqp::exchange::Declare>();
    EXPECT_EQ(exchange.exchange, "millrace.results");
    EXPECT_EQ(exchange.type, "direct");
    EXPECT_TRUE(exchange.durable);
  }
  // It finds nothing, and asks to be told.
  void expect_subscribing() {
    accept();
    look(0);
    expect_exchange();
    expect_bind();
  }
  // Until all that is left is to wait.
  void begin() {
    accept();
    look(0);
    subscribe();
    look(0);
    wait_until_taken();
  }
  // All that was answered before has been taken into account.
  void wait_until_taken() {
    auto marker = client->async_inspect_queue("marker", use_future);
    peer.answer_declare("marker");
    marker.get();
    std::promise<void> reached;
    loop.post([&] { reached.set_value(); });
    reached.get_future().wait();
  }
  void subscribe() {
    expect_exchange();
    expect_bind();
    peer.send(1, amqp::exchange::DeclareOk{});
    peer.send(1, amqp::queue::BindOk{});
  }
  void expect_unbind() {
    const auto unbind = peer.expect<amqp::queue::Unbind>();
    EXPECT_EQ(unbind.queue, "replies");
    EXPECT_EQ(unbind.routing_key, "an-id");
    peer.send(1, amqp::queue::UnbindOk{});
  }
  void expect_get(bool first) {
    if (first) peer.expect_channel();
    EXPECT_EQ(peer.expect<amqp::basic::Get>().queue, "millrace.result.an-id");
  }
  void give() {
    Buffer out;
    amqp::write_message(out, 2, amqp::basic::GetOk{1, false, "", "q", 0}, ByteView{amqp::kNoProperties},
                        as_bytes(kKept), 4096);
    peer.write(out.view());
    EXPECT_TRUE(peer.expect<amqp::basic::Reject>().requeue) << "it stays for others";
  }
  // It looks, finds the result, and has it.
  void find() {
    look(1);
    expect_get(true);
    give();
  }
};

TEST_F(AskingForKept, what_is_there_is_got_and_given_back_and_nothing_else_is_asked) {
  auto told = ask();
  accept();
  find();
  EXPECT_EQ(told.get(), "5");
  EXPECT_TRUE(peer.is_silent_for(20));
}

TEST_F(AskingForKept, who_waits_is_told_by_a_notice_and_gets_nothing_before) {
  auto told = ask();
  begin();
  EXPECT_TRUE(peer.is_silent_for(50));
  askings->on_notice("another-id");
  askings->on_notice("an-id");
  find();
  expect_unbind();
  EXPECT_EQ(told.get(), "5");
}

TEST_F(AskingForKept, many_who_wait_look_and_bind_once_together) {
  std::vector<std::future<std::string>> told;
  told.push_back(ask());
  accept();
  expect_look();
  for (int i = 1; i < 200; ++i) told.push_back(ask());
  answer_look(0);
  subscribe();
  look(0);
  wait_until_taken();
  told.push_back(ask());  // one more has it look once more
  look(0);
  askings->on_notice("an-id");
  find();
  expect_unbind();
  for (auto& one : told) EXPECT_EQ(one.get(), "5");
  EXPECT_TRUE(peer.is_silent_for(20));
}

TEST_F(AskingForKept, what_others_have_is_looked_for_again_soon) {
  pace.quick_looks = 3;
  auto told = ask();
  accept();
  look(0);
  subscribe();
  for (int i = 0; i < 1 + pace.quick_looks; ++i) look(0);
  EXPECT_TRUE(peer.is_silent_for(50)) << "not for ever";
  askings->on_notice("an-id");
  look(0);  // another one has it ...
  look(1);
  expect_get(true);
  peer.send(2, amqp::basic::GetEmpty{});  // ... and another one
  look(1);
  expect_get(false);
  give();
  EXPECT_EQ(told.get(), "5");
}

TEST_F(AskingForKept, what_ends_while_it_is_looked_for_is_not_missed) {
  auto told = ask();
  accept();
  look(0);
  subscribe();
  expect_look();
  askings->on_notice("an-id");
  answer_look(0);  // from before the notice
  find();
  EXPECT_EQ(told.get(), "5");
}

TEST_F(AskingForKept, one_of_which_no_notice_comes_is_found_by_a_slow_look) {
  pace.slow = 20ms;
  auto told = ask();
  begin();
  look(0);
  find();
  EXPECT_EQ(told.get(), "5");
}

TEST_F(AskingForKept, who_has_no_time_looks_again_at_its_end_and_binds_nothing) {
  auto told = ask(0ms);
  accept();
  look(0);
  look(0);
  EXPECT_EQ(told.get(), "timed out");
  EXPECT_TRUE(peer.is_silent_for(20));
}

TEST_F(AskingForKept, whose_time_is_over_is_told_and_binds_nothing_any_more) {
  auto brief = ask(300ms);
  begin();
  look(0);
  expect_unbind();
  EXPECT_EQ(brief.get(), "timed out");
}

TEST_F(AskingForKept, one_that_is_not_kept_is_not_found_at_once) {
  auto told = ask();
  accept();
  expect_look();
  refuse(404, "NOT_FOUND - no queue");
  EXPECT_EQ(told.get(), "not found");
}

// Its queue goes when nobody has used it for the time that was asked for, and comes again with the result.
TEST_F(AskingForKept, one_whose_queue_has_gone_meanwhile_is_waited_for) {
  auto told = ask();
  begin();
  askings->on_notice("an-id");
  expect_look();
  auto late = ask();
  refuse(404, "NOT_FOUND - no queue");
  EXPECT_EQ(late.get(), "not found");
  askings->on_notice("an-id");
  peer.expect_channel();
  find();
  EXPECT_EQ(told.get(), "5");
}

TEST_F(AskingForKept, the_last_who_cancels_leaves_no_binding) {
  auto one = ask(1h, stop.slot());
  begin();
  auto other = ask(1h, stop_other.slot());
  look(0);
  stop.emit(boost::asio::cancellation_type::terminal);
  EXPECT_EQ(one.get(), "cancelled");
  EXPECT_TRUE(peer.is_silent_for(20));
  stop_other.emit(boost::asio::cancellation_type::terminal);
  expect_unbind();
  EXPECT_EQ(other.get(), "cancelled");
}

TEST_F(AskingForKept, one_that_is_cancelled_while_it_is_bound_is_unbound) {
  auto told = ask(1h, stop.slot());
  expect_subscribing();
  stop.emit(boost::asio::cancellation_type::terminal);
  EXPECT_EQ(told.get(), "cancelled");
  peer.send(1, amqp::exchange::DeclareOk{});
  peer.send(1, amqp::queue::BindOk{});
  expect_unbind();
}

TEST_F(AskingForKept, a_producer_that_goes_leaves_no_binding) {
  auto told = ask();
  begin();
  askings->close(make_failure(ErrorKind::closed, "it goes"));
  expect_unbind();
  EXPECT_EQ(told.get(), "closed");
}

TEST_F(AskingForKept, is_bound_again_on_a_new_connection) {
  auto told = ask();
  begin();
  peer.hang_up();
  accept();
  subscribe();
  askings->on_notice("an-id");
  find();
  expect_unbind();
  EXPECT_EQ(told.get(), "5");
  peer.hang_up();
  accept();
  expect_exchange();
  peer.send(1, amqp::exchange::DeclareOk{});
  EXPECT_TRUE(peer.is_silent_for(20)) << "and not once it has ended";
}

TEST_F(AskingForKept, is_unbound_when_there_is_a_connection_again) {
  options.operation_timeout = 1s;
  auto told = ask(1h, stop.slot());
  begin();
  peer.hang_up();
  stop.emit(boost::asio::cancellation_type::terminal);
  EXPECT_EQ(told.get(), "cancelled");
  auto later = client->async_inspect_queue("another", use_future);
  EXPECT_THROW(later.get(), ClientError) << "what was asked before has failed by then too";
  accept();
  subscribe();
  expect_unbind();
}

TEST_F(AskingForKept, what_may_not_be_bound_is_left_alone_and_looked_for_slowly) {
  auto told = ask();
  expect_subscribing();
  refuse(403, "ACCESS_REFUSED - configure access to exchange 'millrace.results' refused");
  peer.expect_channel();
  expect_bind();
  refuse(404, "NOT_FOUND - no exchange 'millrace.results'");
  peer.expect_channel();
  look(0);
  askings->close(make_failure(ErrorKind::closed, "it goes"));
  EXPECT_EQ(told.get(), "closed");
  EXPECT_TRUE(peer.is_silent_for(20)) << "there is nothing to unbind";
}

TEST_F(AskingForKept, what_was_refused_is_not_tried_for_the_next_one) {
  auto one = ask();
  expect_subscribing();
  peer.send(1, amqp::exchange::DeclareOk{});
  refuse(403, "ACCESS_REFUSED - read access to exchange 'millrace.results' refused");
  peer.expect_channel();
  look(0);
  auto other = ask(1h, {}, "other");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(peer.expect<amqp::queue::Declare>().queue, "millrace.result.other");
    answer_look(0);
  }
  EXPECT_TRUE(peer.is_silent_for(20));
}

TEST_F(AskingForKept, an_exchange_that_is_there_is_used_by_those_who_may_not_declare_it) {
  auto told = ask();
  expect_subscribing();
  refuse(403, "ACCESS_REFUSED - configure access to exchange 'millrace.results' refused");
  peer.expect_channel();
  expect_bind();
  peer.send(1, amqp::queue::BindOk{});
  look(0);
  askings->on_notice("an-id");
  find();
  expect_unbind();
  EXPECT_EQ(told.get(), "5");
}

}  // namespace
}  // namespace millrace::tasks
