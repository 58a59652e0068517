// Consumes one queue, checks every message and acknowledges it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/counters.hpp"
#include "load/peer.hpp"
#include "load/tracker.hpp"

namespace millrace::load {

class Consumer : public Peer {
 public:
  // `number` is this one's among the queue's consumers. Nothing is delivered before subscribe().
  Consumer(const Options& options, Counters& counters, Tracker& tracker, std::size_t number,
           std::string queue);

  void subscribe();
  // Acknowledges what --ack-every held back.
  void finish();

  void on_readable() override;
  void on_writable() override { socket_full_ = !connection_.flush(); }

 private:
  void take_frames();
  void on_method(const amqp::Frame& frame);
  void on_body(ByteView part, std::uint64_t now);
  void message_complete(std::uint64_t now);
  void acknowledge(std::uint64_t tag, bool multiple);

  Counters& counters_;
  Tracker& tracker_;
  std::size_t number_;
  std::string queue_;
  bool manual_;
  std::uint16_t prefetch_;
  std::uint32_t ack_every_;
  std::vector<std::uint8_t> expected_;  // the body, but for its head

  enum class Expect : std::uint8_t { method, header, body };
  Expect expect_ = Expect::method;
  std::uint64_t tag_ = 0;
  bool redelivered_ = false;
  std::size_t body_bytes_ = 0;  // of the message so far
  std::uint8_t head_[kBodyHeadBytes];
  std::uint32_t unacknowledged_ = 0;
};

}  // namespace millrace::load
