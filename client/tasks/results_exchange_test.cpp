// What whoever ends a call whose result is kept tells those who wait.
#include "client/tasks/results_exchange.hpp"

#include <gtest/gtest.h>

#include <future>

#include "client/scripted_peer_test.hpp"
#include "client/tasks/kept_result.hpp"
#include "codec/amqp091/properties.hpp"
#include "millrace/coroutines.hpp"

namespace millrace::tasks {
namespace {

using namespace std::chrono_literals;
using client_test::Published;
using client_test::ScriptedPeer;
namespace amqp = amqp091;

struct Telling : testing::Test {
  ScriptedPeer peer;
  ClientOptions options{peer.url()};
  std::unique_ptr<Client> client;
  std::shared_ptr<ResultsExchange> exchange;
  std::uint16_t results = 0;  // channels
  std::uint16_t notices = 0;

  Telling() {
    options.backoff_min = 1ms;
    options.close_timeout = 50ms;
    client = std::make_unique<Client>(options);
    exchange = std::make_shared<ResultsExchange>(*client);
    peer.accept_client();
  }

  std::future<ErrorKind> keep(const std::string& id) {
    auto told = std::make_shared<std::promise<ErrorKind>>();
    keep_result(*client, exchange, id, 1h, Message("the outcome"),
                [told](const std::exception_ptr& error) { told->set_value(Failure(error).kind()); });
    return told->get_future();
  }
  void expect_exchange() { EXPECT_EQ(peer.expect<amqp::exchange::Declare>().exchange, "millrace.results"); }
  void expect_outcome(std::uint64_t tag) {
    peer.answer_declare("millrace.result.an-id");
    if (results == 0) results = peer.expect_publisher();
    const Published outcome = peer.expect_publish();
    EXPECT_EQ(outcome.channel, results);
    EXPECT_EQ(outcome.routing_key, "millrace.result.an-id");
    EXPECT_TRUE(peer.is_silent_for(20)) << "nobody is told before it is there";
    peer.send(results, amqp::basic::Ack{tag, false});
  }
  void expect_notice() {
    if (notices == 0) notices = peer.expect_publisher();
    const Published notice = peer.expect_publish();
    EXPECT_EQ(notice.channel, notices);
    EXPECT_EQ(notice.exchange, "millrace.results");
    EXPECT_EQ(notice.routing_key, "an-id");
    EXPECT_EQ(notice.body, "");
    EXPECT_FALSE(notice.mandatory);
    amqp::Properties properties;
    EXPECT_TRUE(amqp::parse_properties(as_bytes(notice.properties), properties));
    EXPECT_NE(properties.delivery_mode.value_or(1), 2) << "it is transient";
  }
  void refuse(std::uint16_t channel, std::uint16_t code) {
    peer.send(channel, amqp::channel::Close{code, "no", 60, 40});
    peer.expect<amqp::channel::CloseOk>();
  }
};

TEST_F(Telling, follows_the_confirm_and_is_not_waited_for) {
  auto kept = keep("an-id");
  peer.expect_channel();
  expect_exchange();
  peer.send(1, amqp::exchange::DeclareOk{});
  expect_outcome(1);
  EXPECT_EQ(kept.get(), ErrorKind::none) << "the notice is not confirmed, nor even read";
  expect_notice();
  kept = keep("an-id");
  expect_outcome(2);
  EXPECT_EQ(kept.get(), ErrorKind::none);
  expect_notice();
}

TEST_F(Telling, says_nothing_of_what_is_not_kept) {
  auto kept = keep("an-id");
  peer.expect_channel();
  expect_exchange();
  peer.send(1, amqp::exchange::DeclareOk{});
  peer.expect<amqp::queue::Declare>();
  refuse(1, 403);
  EXPECT_EQ(kept.get(), ErrorKind::access_refused);
  EXPECT_TRUE(peer.is_silent_for(20));
}

TEST_F(Telling, where_it_is_refused_costs_no_other_message_and_is_left_alone) {
  auto kept = keep("an-id");
  peer.expect_channel();
  expect_exchange();
  peer.expect<amqp::queue::Declare>();
  refuse(1, 403);
  peer.expect_channel();  // what was asked behind it is asked again
  expect_outcome(1);
  EXPECT_EQ(kept.get(), ErrorKind::none);
  expect_notice();
  auto other = client->async_publish("elsewhere", "x", use_future);
  EXPECT_EQ(peer.expect_publish().routing_key, "elsewhere");
  refuse(notices, 404);
  EXPECT_EQ(peer.expect_publisher(), notices);
  peer.send(results, amqp::basic::Ack{2, false});
  EXPECT_EQ(other.get().attempts, 1u);
  kept = keep("an-id");
  expect_outcome(3);
  EXPECT_EQ(kept.get(), ErrorKind::none);
  EXPECT_TRUE(peer.is_silent_for(50)) << "neither is it declared, nor anybody told";
}

}  // namespace
}  // namespace millrace::tasks
