#include "server/pump.hpp"

#include <utility>

namespace millrace::server {

Pump::Pump(runtime::ShardLoop& loop, broker::Gate& gate, SessionFactory sessions)
    : loop_(loop),
      gate_(gate),
      sessions_(std::move(sessions)),
      read_buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kReadBytes)) {}

Pump::~Pump() = default;

void Pump::adopt(std::unique_ptr<runtime::ByteStream> stream, broker::ConnectionInfo info) {
  const std::uint64_t id = ++last_id_;
  auto owned = std::make_unique<Connection>(*this, id, std::move(stream));
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

void Pump::hand_over(Connection& connection, Pump& to) {
  const auto found = by_id_.find(connection.id());
  std::unique_ptr<Connection> owned = std::move(found->second);
  by_id_.erase(found);
  to.reserve();
  give_back_place();
  to.loop_.post([&to, owned = std::move(owned)]() mutable { to.take_over(std::move(owned)); });
}

void Pump::take_over(std::unique_ptr<Connection> owned) {
  const std::uint64_t id = ++last_id_;
  Connection& connection = *owned;
  by_id_.emplace(id, std::move(owned));
  connection.arrive(*this, id);
}

void Pump::delete_if_done(Connection& connection) {
  if (!connection.may_delete()) return;
  by_id_.erase(connection.id());
  give_back_place();
}

Pump* reserve_at_least_busy(std::span<const std::unique_ptr<Pump>> pumps, std::size_t max_connections) {
  Pump* least = nullptr;
  std::size_t total = 0;
  for (const auto& pump : pumps) {
    total += pump->connections();
    if (least == nullptr || pump->connections() < least->connections()) least = pump.get();
  }
  if (total >= max_connections) return nullptr;
  least->reserve();
  return least;
}

bool give_to_least_busy(std::span<const std::unique_ptr<Pump>> pumps, std::size_t max_connections,
                        std::unique_ptr<runtime::ByteStream> stream, broker::ConnectionInfo info) {
  Pump* least = reserve_at_least_busy(pumps, max_connections);
  if (least == nullptr) return false;
  least->loop().post([least, stream = std::move(stream), info = std::move(info)]() mutable {
    least->adopt(std::move(stream), std::move(info));
  });
  return true;
}

}  // namespace millrace::server
