// Plays the scenarios of tests/data/amqp091 against a session. A scenario's lines:
//
//   # words for the reader
//   > frame        what the client sends (session_test_dialogue.hpp); also: greeting, raw HEX
//   + frame        likewise, but arriving together with the next one
//   ! action       what the broker, the clock or the socket does (see act() below)
//   < frame        what the session answered
//   = call         what it asked of the broker
//   ~ call         what it asked of the transport
//
// The last three are the outcome and must match; run with --rewrite to write them anew, then read the diff.
#include "protocol/amqp091/session.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/scenarios_test.hpp"
#include "protocol/amqp091/session_test_broker.hpp"
#include "protocol/amqp091/session_test_dialogue.hpp"

namespace millrace::amqp091 {
namespace {

using testing::Dialogue;
using testing::drain;
using testing::FakeBroker;
using testing::FakeGate;
using testing::FakeTransport;

// The tree, from wherever the tests are run in it.
std::filesystem::path root() {
  for (std::filesystem::path at :
       {std::filesystem::path(__FILE__).parent_path(), std::filesystem::current_path()}) {
    for (at = std::filesystem::absolute(at); at != at.parent_path(); at = at.parent_path()) {
      if (std::filesystem::exists(at / "tests/data/amqp091")) return at;
    }
  }
  return {};
}

class Play {
 public:
  explicit Play(SessionOptions options = {}) : options_(std::move(options)) {
    options_.random = [](std::span<std::uint8_t> bytes) { std::fill(bytes.begin(), bytes.end(), 0); };
    fake_.log = [this](std::string line) { say('=', line); };
    transport_.log = [this](std::string line) { say('~', line); };
    session_ = std::make_unique<Session>(
        gate_, transport_, options_, broker::ConnectionInfo{.peer = "127.0.0.1:1", .peer_is_loopback = true});
  }

  void input(const std::string& line) {
    const std::string text = line.substr(2);
    if (line[0] == '!') return act(text);
    if (text == "greeting") {
      received_.append(ByteView{kProtocolHeader});
    } else if (text.starts_with("raw ")) {
      std::istringstream in(text.substr(4));
      for (std::string octet; in >> octet;)
        received_.put_be(static_cast<std::uint8_t>(std::stoul(octet, nullptr, 16)));
    } else {
      received_.append(dialogue_.encode(text));
    }
    if (line[0] == '>') offer();
  }

  std::string take_outcome() {
    flush();
    return std::exchange(outcome_, {});
  }

 private:
  void say(char mark, const std::string& line) {
    flush();
    outcome_ += mark;
    outcome_ += ' ' + line + '\n';
  }

  void flush() {
    const std::string bytes = drain(transport_.queue);
    for (const std::string& line : dialogue_.decode(bytes)) outcome_ += "< " + line + "\n";
  }

  void offer() {
    do {
      transport_.offer_again = false;
      if (transport_.paused || received_.empty()) break;
      received_.consume(session_->on_bytes(received_.view()));
    } while (transport_.offer_again);
  }

  static broker::Delivery delivery(const std::vector<std::string>& words, std::size_t from) {
    broker::Delivery delivery;
    broker::Message::Fields fields;
    fields.origin = broker::Origin::amqp091;
    fields.exchange = "x";
    fields.routing_key = "k";
    fields.header = ByteView{kNoProperties};
    std::string body;
    auto annotations = std::make_unique<broker::Annotations>();
    bool annotated = false;
    for (std::size_t i = from; i < words.size(); ++i) {
      const std::string& word = words[i];
      const std::string value = word.substr(word.find('=') + 1);
      if (word.starts_with("seq=")) delivery.seq = std::stoull(value);
      if (word.starts_with("body=")) body = value;
      if (word.starts_with("filler=")) body.assign(std::stoull(value), 'x');
      if (word.starts_with("count=")) {
        delivery.delivery_count = static_cast<std::uint32_t>(std::stoul(value));
        delivery.show_delivery_count = true;
      }
      if (word == "redelivered") delivery.redelivered = true;
      if (word == "stamped") {
        delivery.stamped = true;
        delivery.sequence = 5;
        delivery.arrival_ms = 1234;
      }
      if (word == "dead") {
        annotated = true;
        annotations->deaths.push_back({"q", "expired", "x", {"k", "k2"}, 2, 1700000000, "1000"});
        annotations->first_death_queue = annotations->last_death_queue = "q";
        annotations->first_death_reason = annotations->last_death_reason = "expired";
        annotations->first_death_exchange = annotations->last_death_exchange = "x";
        annotations->drop_expiration = true;
      }
    }
    Ref<broker::Message> message = broker::Message::create(fields, as_bytes(body));
    if (annotated) message->annotate(std::move(annotations));
    delivery.message = broker::MessageRef(message.get());
    return delivery;
  }

  void act(const std::string& text) {
    const std::vector<std::string> words = Dialogue::split(text);
    const std::string& verb = words.at(0);
    if (verb == "later") {  // from now on the broker answers when told to
      fake_.later = true;
    } else if (verb == "answer") {
      fake_.later = false;
      fake_.answer();
    } else if (verb == "fail") {  // the next call: an Errc's number and a text
      fake_.next_error = Error{static_cast<Errc>(std::stoi(words.at(1))), words.at(2)};
    } else if (verb == "channel-limit") {
      fake_.channel_limit = std::stoull(words.at(1));
    } else if (verb == "outcome") {  // of publishes to come
      fake_.outcome = {false, false};
      for (const std::string& word : words) {
        if (word == "routed") fake_.outcome.routed = true;
        if (word == "pending") fake_.outcome.pending = true;
      }
    } else if (verb == "confirm") {  // the n-th pending publish
      const broker::Confirmation confirmation{fake_.tokens.at(std::stoul(words.at(1)) - 1),
                                              words.at(2) == "ok"};
      fake_.listener->on_confirm({&confirmation, 1});
    } else if (verb == "deliver") {
      fake_.listener->on_deliver(consumer(words.at(1)), delivery(words, 2));
    } else if (verb == "deliver-published") {  // the last message that came in, to a consumer
      broker::Delivery published;
      published.seq = std::stoull(words.at(2));
      published.message = broker::MessageRef(fake_.last_published.get());
      fake_.listener->on_deliver(consumer(words.at(1)), std::move(published));
    } else if (verb == "turn-end") {
      fake_.body_budget.settle();
      fake_.listener->on_turn_end();
    } else if (verb == "others-hold") {  // so much of the room for bodies in all, and wait for more
      others_.keep(std::stoull(words.at(1)));
      if (others_.held() < std::stoull(words.at(1))) std::ignore = others_.hold(std::stoull(words.at(1)));
    } else if (verb == "ticks") {  // of the room for bodies
      for (unsigned long n = std::stoul(words.at(1)); n > 0; --n) fake_.body_budget.tick();
    } else if (verb == "message-limit") {  // before tuning
      fake_.max_message_bytes = std::stoull(words.at(1));
    } else if (verb == "got") {
      fake_.next_got = broker::GotMessage{{broker::QueueId(9), {}}, delivery(words, 1), 3};
    } else if (verb == "cancelled") {
      fake_.listener->on_consumer_cancelled(consumer(words.at(1)));
    } else if (verb == "blocked") {
      fake_.blocked = true;
      fake_.listener->on_blocked(words.at(1));
    } else if (verb == "unblocked") {
      fake_.blocked = false;
      fake_.listener->on_unblocked();
    } else if (verb == "close") {
      fake_.listener->on_close_requested(Error{Errc::shutting_down, words.at(1)});
    } else if (verb == "suggest-move") {
      fake_.listener->on_move_suggested(broker::ShardId(1));
    } else if (verb == "left") {
      std::exchange(fake_.left, {})();
    } else if (verb == "moved") {
      session_->on_moved(gate_);
    } else if (verb == "wait") {
      transport_.advance(std::stoull(words.at(1)));
    } else if (verb == "disconnect") {
      session_->on_disconnected();
    } else {
      FAIL() << "no such action: " << text;
    }
    offer();
  }

  broker::ConsumerId consumer(const std::string& number) {
    return fake_.consumers.at(std::stoul(number) - 1);
  }

  // Another connection.
  struct Other final : broker::BodyBudget::Owner {
    explicit Other(FakeBroker& fake) : fake_(fake) {}
    void on_body_room() override { fake_.log("others have room"); }
    void on_body_refused(const Error&) override { fake_.log("others are refused"); }
    bool is_read() const noexcept override { return true; }
    std::string_view peer() const noexcept override { return "other"; }
    FakeBroker& fake_;
  };

  static const Dialogue dialogue_;
  SessionOptions options_;
  std::string outcome_;
  FakeBroker fake_;
  FakeGate gate_{fake_};
  Other other_{fake_};
  broker::BodyBudget::Account others_{fake_.body_budget, other_};
  FakeTransport transport_;
  Buffer received_;
  std::unique_ptr<Session> session_;
};

const Dialogue Play::dialogue_{(root() / "src/codec/amqp091/protocol.txt").string()};

// What most scenarios begin with, so that they can say it in one line: "> ready".
constexpr const char* kReady[] = {
    "> greeting",
    "> 0 connection.start-ok mechanism=PLAIN response=\\0guest\\0guest locale=en_US "
    "client-properties={capabilities:F=connection.blocked|consumer_cancel_notify|authentication_failure_"
    "close}",
    "> 0 connection.tune-ok channel-max=2047 frame-max=16384 heartbeat=0",
    "> 0 connection.open virtual-host=/", "> 1 channel.open"};

// The scenario as it would be with the outcome that the session has now.
std::string play(const std::string& text) {
  SessionOptions options;
  options.allow_challenge_response = text.find("RABBIT-CR-DEMO") != std::string::npos;
  Play play(options);
  std::istringstream in(text);
  std::string replayed;
  for (std::string line; std::getline(in, line);) {
    const char mark = line.empty() ? ' ' : line[0];
    if (mark == '<' || mark == '=' || mark == '~') continue;
    replayed += line + "\n";
    if (line == "> ready") {
      for (const char* step : kReady) play.input(step);
      play.take_outcome();
    } else if (mark == '>' || mark == '+' || mark == '!') {
      play.input(line);
      std::string outcome = play.take_outcome();
      // One scenario is enough to show what the server says of itself.
      constexpr std::string_view kStart = "< 0 connection.start ";
      if (outcome.starts_with(kStart) && text.find("# server-properties") == std::string::npos) {
        outcome = "< 0 connection.start ...\n" + outcome.substr(outcome.find('\n') + 1);
      }
      replayed += outcome;
    }
  }
  return replayed;
}

TEST(Session, holds_the_dialogues_of_its_scenarios) {
  millrace::test::hold_scenarios(root() / "tests/data/amqp091", 11, play);
}

// However the bytes are cut into reads, the dialogue is the same.
TEST(Session, answers_alike_when_bytes_come_one_by_one) {
  const Dialogue dialogue((root() / "src/codec/amqp091/protocol.txt").string());
  const auto run = [&](std::size_t step) {
    FakeBroker fake;
    std::string calls;
    fake.log = [&](std::string line) { calls += line + "\n"; };
    FakeGate gate(fake);
    FakeTransport transport;
    SessionOptions options;
    options.random = [](std::span<std::uint8_t> bytes) { std::fill(bytes.begin(), bytes.end(), 7); };
    Session session(gate, transport, options, {});
    std::string sent(as_text(ByteView{kProtocolHeader}));
    for (const char* line : kReady) {
      if (std::string_view(line) != "> greeting") sent += dialogue.encode(line + 2);
    }
    sent += dialogue.encode("1 queue.declare queue=q");
    for (const char* frame :
         {"1 basic.publish routing-key=q", "1 header body-size=11 delivery-mode=2", "1 body hello",
          "1 body \" world\"", "1 basic.publish routing-key=q", "1 header body-size=0",
          "1 basic.publish routing-key=q", "1 header body-size=3", "1 body abc", "1 basic.get queue=q"}) {
      sent += dialogue.encode(frame);
    }
    std::string held;
    for (std::size_t at = 0; at < sent.size(); at += step) {
      held += sent.substr(at, step);
      held.erase(0, session.on_bytes(as_bytes(held)));
    }
    EXPECT_TRUE(held.empty());
    std::string answers = drain(transport.queue);
    session.on_disconnected();
    return calls + answers;
  };
  const std::string whole = run(1 << 20);
  EXPECT_NE(whole.find("publish to '' key 'q' durable body 'hello world'"), std::string::npos);
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{64}}) {
    EXPECT_EQ(run(step), whole) << step;
  }
}

}  // namespace
}  // namespace millrace::amqp091
