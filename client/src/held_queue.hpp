// A queue that outlives its use here: on new connections it is declared and bound again while it is held, and
// left alone from then on. Without that, whoever stopped to listen would call a queue back into being that
// somebody else has deleted, or keep one in use that is to expire.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "millrace/client.hpp"

namespace millrace::client {

// Any thread. To be made before the queue is declared. Deletes nothing at the broker.
class HeldQueue {
 public:
  HeldQueue(Client& client, std::string queue);
  ~HeldQueue() { release(); }
  HeldQueue(const HeldQueue&) = delete;
  HeldQueue& operator=(const HeldQueue&) = delete;

  // Once; a second time does nothing.
  void release() noexcept;

 private:
  const std::weak_ptr<Core> core_;
  const std::string queue_;
  std::atomic<bool> held_{true};
};

}  // namespace millrace::client
