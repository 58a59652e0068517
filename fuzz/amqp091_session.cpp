// Any bytes as what a client sends, against a broker that does whatever it may do in between.
//
// The first octet chooses whether the client is logged in already and how its bytes are cut into reads, the
// second seeds what the broker does; the rest is the stream. Whatever comes: what the session sends is
// frames, the broker is not asked after it was left, the session ends when the socket does, and memory stays
// within a constant and the bytes received.

#include <sanitizer/allocator_interface.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/assert.hpp"
#include "base/prng.hpp"
#include "protocol/amqp091/session.hpp"
#include "protocol/amqp091/session_test_broker.hpp"

namespace millrace::amqp091 {
namespace {

using testing::FakeBroker;
using testing::FakeGate;
using testing::FakeTransport;

constexpr std::size_t kBeforeLoginBytes = 64 * 1024;
// What a session may hold whatever came: of bodies that were only announced, its own and the shared part.
constexpr std::size_t kFixedBytes = 1024 * 1024 + Session::kOwnBodyBytes + FakeBroker::kBodyBudgetBytes;
// A field of a byte or two becomes a value, an entry, a line of the fake broker's.
constexpr std::size_t kBytesForEachReceived = 256;

class Fuzzed {
 public:
  Fuzzed(std::uint8_t config, std::uint8_t seed) : random_(seed), step_(1u << (config >> 1 & 15)) {
    fake_.max_message_bytes = 64 * 1024;
    fake_.log = [this](std::string line) {
      MILLRACE_ASSERT(!left_, "the broker was asked after it was left");
      left_ = line == "close";
    };
    options_.random = [](std::span<std::uint8_t> bytes) { std::fill(bytes.begin(), bytes.end(), 1); };
    options_.allow_anonymous = true;
    before_ = __sanitizer_get_current_allocated_bytes();
    session_ = std::make_unique<Session>(gate_, transport_, options_, broker::ConnectionInfo{});
    if ((config & 1) != 0) log_in();
  }

  void run(ByteView stream) {
    while (!stream.empty() && !transport_.closing) {
      const std::size_t read = std::min(step_, stream.size());
      received_.append(stream.first(read));
      received_bytes_ += read;
      stream = stream.subspan(read);
      offer();
      if (fake_.listener != nullptr && !fake_.closed) act();
      check();
    }
    fake_.answer();
    if (random_.one_in(2)) transport_.advance(100'000);
    session_->on_disconnected();
    fake_.answer();
    MILLRACE_ASSERT(transport_.done, "a session without a socket goes on");
  }

 private:
  void log_in() {
    received_.append(ByteView{kProtocolHeader});
    encode(received_, 0, connection::StartOk{{}, "ANONYMOUS", "", "en_US"});
    encode(received_, 0, connection::TuneOk{2047, 4096, 10});
    encode(received_, 0, connection::Open{"/", "", false});
    encode(received_, 1, channel::Open{});
    offer();
  }

  void offer() {
    do {
      transport_.offer_again = false;
      if (transport_.paused || received_.empty()) break;
      const std::size_t used = session_->on_bytes(received_.view());
      MILLRACE_ASSERT(used <= received_.size(), "more was used than given");
      received_.consume(used);
    } while (transport_.offer_again);
  }

  // Something that a broker may do.
  void act() {
    switch (random_.below(13)) {
      case 0:
        fake_.later = true;
        break;
      case 1:
      case 2:
        fake_.later = false;
        fake_.answer();
        break;
      case 3:
        fake_.next_error = Error{static_cast<Errc>(random_.below(14)), "it is so"};
        break;
      case 4:
        fake_.outcome = {random_.one_in(2), random_.one_in(2)};
        break;
      case 5:
        confirm();
        break;
      case 6:
        if (!fake_.consumers.empty() && random_.one_in(4)) {
          const std::size_t which = random_.below(fake_.consumers.size());
          fake_.credit[fake_.consumers[which].value] = 0;
          fake_.listener->on_consumer_cancelled(fake_.consumers[which]);
        }
        break;
      case 7:
        if (random_.one_in(8)) fake_.listener->on_blocked("low on memory");
        break;
      case 8:
        fake_.listener->on_unblocked();
        break;
      case 9:
        fake_.next_got = broker::GotMessage{{broker::QueueId(1 + random_.below(3)), {}}, delivery(), 1};
        break;
      case 10:
        if (random_.one_in(64)) fake_.listener->on_close_requested(Error{Errc::shutting_down, "enough"});
        break;
      case 11:
        if (random_.one_in(4)) fake_.body_budget.tick();
        break;
      default:
        deliver();
        break;
    }
    fake_.body_budget.settle();
    if (fake_.closed) return;
    fake_.listener->on_turn_end();
    offer();
  }

  void confirm() {
    if (fake_.tokens.empty()) return;
    const std::size_t which = random_.below(fake_.tokens.size());
    const broker::Confirmation confirmation{fake_.tokens[which], random_.one_in(2)};
    fake_.tokens.erase(fake_.tokens.begin() + static_cast<std::ptrdiff_t>(which));
    fake_.listener->on_confirm({&confirmation, 1});
  }

  broker::Delivery delivery() {
    broker::Delivery delivery;
    delivery.seq = ++seq_;
    if (fake_.last_published) {
      delivery.message = broker::MessageRef(fake_.last_published.get());
    } else {
      delivery.message = broker::MessageRef(broker::Message::create({}, ByteView{}).get());
    }
    delivery.stamped = random_.one_in(4);
    delivery.show_delivery_count = random_.one_in(4);
    delivery.delivery_count = static_cast<std::uint32_t>(random_.below(3));
    return delivery;
  }

  void deliver() {
    if (fake_.consumers.empty()) return;
    const broker::ConsumerId consumer = fake_.consumers[random_.below(fake_.consumers.size())];
    for (std::uint64_t n = random_.below(4); n > 0 && fake_.credit[consumer.value] > 0; --n) {
      --fake_.credit[consumer.value];
      fake_.listener->on_deliver(consumer, delivery());
    }
  }

  void check() {
    sent_ += testing::drain(transport_.queue);
    std::string_view sent = sent_;
    if (sent.starts_with("AMQP")) sent.remove_prefix(kGreetingBytes);
    while (!sent.empty()) {
      const FrameSplit split = split_frame(as_bytes(sent), 0);
      MILLRACE_ASSERT(split.state == FrameState::complete, "what was sent is no frame");
      sent.remove_prefix(static_cast<std::size_t>(split.bytes));
    }
    sent_ = std::string();
    const std::size_t now = __sanitizer_get_current_allocated_bytes();
    const std::size_t held = now > before_ ? now - before_ : 0;
    const std::size_t most = fake_.listener == nullptr
                                 ? 2 * kBeforeLoginBytes  // the session's and the unread bytes kept here
                                 : kFixedBytes + kBytesForEachReceived * received_bytes_;
    MILLRACE_ASSERT(held <= most, "memory grows by more than the bytes received");
  }

  FakeBroker fake_;
  FakeGate gate_{fake_};
  FakeTransport transport_;
  SessionOptions options_;
  Prng random_;
  std::size_t step_;
  std::size_t before_ = 0;
  std::size_t received_bytes_ = 0;
  std::uint64_t seq_ = 0;
  bool left_ = false;
  std::string sent_;
  Buffer received_;
  std::unique_ptr<Session> session_;
};

}  // namespace
}  // namespace millrace::amqp091

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  millrace::amqp091::Fuzzed fuzzed(data[0], data[1]);
  fuzzed.run({data + 2, size - 2});
  return 0;
}
