#include "client/src/held_queue.hpp"

#include <utility>

#include "client/src/core.hpp"
#include "client/src/encoded.hpp"

namespace millrace::client {

HeldQueue::HeldQueue(Client& client, std::string queue)
    : core_(Internals::core(client).weak_from_this()), queue_(std::move(queue)) {
  Core& core = Internals::core(client);
  core.submit([&core, name = queue_] { core.topology().hold_queue(name); });
}

void HeldQueue::release() noexcept {
  if (!held_.exchange(false)) return;
  const auto alive = core_.lock();
  if (alive) alive->submit([core = alive.get(), name = queue_] { core->topology().release_queue(name); });
}

}  // namespace millrace::client
