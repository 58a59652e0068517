// What a consumer is given, kept until one thread takes it.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "millrace/client.hpp"

namespace millrace::cli {

class Receiving {
 public:
  // Consumes `queue`; at most `prefetch` messages are here and unsettled.
  Receiving(Client& client, std::string queue, std::uint16_t prefetch);

  // The next message; none after `patience` without one, or once Interrupts has seen a signal.
  std::optional<Delivery> next(std::chrono::milliseconds patience);
  // No message is waiting here to be taken.
  bool is_drained() const;
  // Whether the queue has ready messages. Throws the client's error, as when the queue was deleted.
  bool queue_is_empty();
  // Ends the consumer; what nobody has taken goes back to the queue.
  void end();

 private:
  struct State {
    mutable std::mutex mutex;
    std::condition_variable came;
    std::deque<Delivery> waiting;
  };

  Client& client_;
  std::string queue_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  Consumer consumer_;
};

}  // namespace millrace::cli
