// Publishes numbered messages from frames that are encoded once and patched.
#pragma once

#include <cstdint>
#include <string>

#include "base/buffer.hpp"
#include "load/confirm_window.hpp"
#include "load/counters.hpp"
#include "load/peer.hpp"

namespace millrace::load {

class Producer : public Peer {
 public:
  // `messages` is how many to send at most. Turns confirms on if the options ask for them.
  Producer(const Options& options, Counters& counters, std::uint32_t id, std::string exchange,
           std::string key, std::uint64_t messages);

  // Starts the clock of an open loop.
  void start(std::uint64_t now);
  // Sends no more than it has taken up already.
  void stop() noexcept { messages_ = sequence_; }
  // At most one batch; `allowed` bounds the messages taken up. True if there may be more to do at once.
  bool pump(std::uint64_t allowed);

  void on_readable() override;
  void on_writable() override;

  std::uint64_t published() const noexcept { return sequence_; }
  // Everything is sent and, with confirms, confirmed.
  bool finished() const noexcept;
  // With a rate, when the next message is due; otherwise 0.
  std::uint64_t next_due() const noexcept;

 private:
  std::uint64_t due_at(std::uint64_t sequence) const noexcept {
    return start_ns_ + static_cast<std::uint64_t>(static_cast<double>(sequence) * interval_ns_);
  }
  std::uint64_t allowance(std::uint64_t allowed, std::uint64_t now) const noexcept;
  void fill(std::uint64_t count, std::uint64_t now);

  Counters& counters_;
  std::uint32_t id_;
  std::uint64_t messages_;
  std::uint64_t sequence_ = 0;
  double interval_ns_ = 0;  // 0: a closed loop
  std::uint64_t start_ns_ = 0;
  bool confirms_;
  ConfirmWindow window_;

  // `batch_` is one message repeated; bytes [at_, end_) of it are to be sent.
  Buffer batch_;
  std::size_t stride_ = 0;   // bytes of a message with its frames
  std::size_t body_at_ = 0;  // where its body begins
  std::size_t size_at_ = 0;  // where the value of its x-size is; 0: it has none
  std::size_t slots_ = 0;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

}  // namespace millrace::load
