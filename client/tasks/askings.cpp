#include "client/tasks/askings.hpp"

#include <random>
#include <utility>
#include <vector>

namespace millrace::tasks {

Askings::Askings(Client& client, EventLoop& loop, std::string queue, Step listen, AskingPace pace)
    : client_(client),
      loop_(loop),
      pace_(pace),
      subscriptions_(
          std::make_shared<Subscriptions>(client, loop.executor(), std::move(queue), std::move(listen))),
      random_(std::random_device()()) {}

std::shared_ptr<Asking> Askings::asking_of(const std::string& id) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Asking>& asking = askings_[id];
  if (!asking) {
    asking = std::make_shared<Asking>(client_, loop_, subscriptions_, id, pace_, random_.next(), [this, id] {
      const std::lock_guard ended(mutex_);
      askings_.erase(id);
    });
  }
  return asking;
}

// One that has ended is forgotten before it says so.
void Askings::ask(const std::string& id, Milliseconds timeout, Asking::Done done) {
  while (!asking_of(id)->take_in(timeout, done)) {
  }
}

void Askings::on_notice(const std::string& id) {
  std::shared_ptr<Asking> asking;
  {
    const std::lock_guard lock(mutex_);
    const auto at = askings_.find(id);
    if (at != askings_.end()) asking = at->second;
  }
  if (asking) asking->on_notice();
}

void Askings::close(const std::exception_ptr& why) {
  std::vector<std::shared_ptr<Asking>> askings;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, asking] : askings_) askings.push_back(asking);
  }
  for (const auto& asking : askings) asking->give_up(why);
  subscriptions_->close();
}

}  // namespace millrace::tasks
