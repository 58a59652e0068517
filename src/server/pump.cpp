#include "server/pump.hpp"

#include <utility>

namespace millrace::server {

Pump::Pump(runtime::ShardLoop& loop, broker::Gate& gate, SessionFactory sessions)
    : loop_(loop),
      gate_(gate),
      sessions_(std::move(sessions)),
      read_buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kReadBytes)) {}

Pump::~Pump() = default;

void Pump::adopt(runtime::Descriptor socket, broker::ConnectionInfo info) {
  const std::uint64_t id = ++last_id_;
  auto owned = std::make_unique<Connection>(*this, id, std::move(socket));
  Connection& connection = *owned;
  by_id_.emplace(id, std::move(owned));
  connection.begin(sessions_(gate_, connection, std::move(info)));
}

void Pump::flush() {
  // Flushing lists nobody: what follows from it is scheduled.
  flushing_.swap(dirty_);
  for (Connection* connection : flushing_) connection->flush();
  flushing_.clear();
}

void Pump::add_scheduled(Connection& connection) {
  scheduled_.push_back(&connection);
  if (scheduled_.size() == 1) loop_.post([this] { run_scheduled(); });
}

void Pump::run_scheduled() {
  running_.swap(scheduled_);
  for (Connection* connection : running_) connection->run_later();
  running_.clear();
}

void Pump::add_to_trim(Connection& connection) {
  to_trim_.push_back(connection.id());
  if (std::exchange(trim_timer_runs_, true)) return;
  loop_.start(kTrimInterval, [this] { trim(); });
}

void Pump::trim() {
  std::erase_if(to_trim_, [this](std::uint64_t id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() || found->second->trim();
  });
  trim_timer_runs_ = !to_trim_.empty();
  if (trim_timer_runs_) loop_.start(kTrimInterval, [this] { trim(); });
}

void Pump::hand_over(Connection& connection, Pump& to, runtime::Descriptor socket) {
  const auto found = by_id_.find(connection.id());
  std::unique_ptr<Connection> owned = std::move(found->second);
  by_id_.erase(found);
  to.reserve();
  connections_.fetch_sub(1, std::memory_order_relaxed);
  to.loop_.post([&to, owned = std::move(owned), socket = std::move(socket)]() mutable {
    to.take_over(std::move(owned), std::move(socket));
  });
}

void Pump::take_over(std::unique_ptr<Connection> owned, runtime::Descriptor socket) {
  const std::uint64_t id = ++last_id_;
  Connection& connection = *owned;
  by_id_.emplace(id, std::move(owned));
  connection.arrive(*this, id, std::move(socket));
}

void Pump::delete_if_done(Connection& connection) {
  if (!connection.may_delete()) return;
  by_id_.erase(connection.id());
  connections_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace millrace::server
