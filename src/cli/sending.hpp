// Publishing with a bound on what is not confirmed yet.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "millrace/client.hpp"

namespace millrace::cli {

// One thread sends; the client's threads report. What is under way outlives this object safely.
class Sending {
 public:
  static constexpr std::uint64_t kWindow = 1000;

  explicit Sending(Client& client, std::uint64_t window = kWindow) : client_(client), window_(window) {}

  // Waits for room, then sends. `confirmed` runs on a thread of the client's. False, and nothing is sent,
  // once something has failed or Interrupts has seen a signal.
  bool send(Address to, Message message, std::function<void(const Receipt&)> confirmed = {});
  // Until all that was sent is confirmed or has failed.
  void wait();

  std::uint64_t confirmed() const;
  std::optional<Failure> failure() const;

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::uint64_t open = 0;
    std::uint64_t confirmed = 0;
    std::optional<Failure> failure;
  };

  Client& client_;
  std::uint64_t window_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace millrace::cli
