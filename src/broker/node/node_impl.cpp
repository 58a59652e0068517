// Node: opens the shards, applies the definitions to all, watches alarms, and stops in order.
#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>

#include "broker/exchange/exchange.hpp"
#include "broker/node.hpp"
#include "broker/node/coordinator.hpp"
#include "broker/node/events.hpp"
#include "broker/node/management_impl.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

// How often the free space on disk is looked at.
constexpr runtime::Milliseconds kDiskCheckInterval{2000};
// A memory limit below this has no room for what a single connection sends: its alarm is in force whatever is
// used.
constexpr std::int64_t kLeastMemoryLimit = 64 << 10;

std::uint64_t clear_above(std::uint64_t low_water_bytes) {
  return low_water_bytes + low_water_bytes / 2;
}

// Predeclared ones that the version which made the directory did not have yet.
std::vector<Change> missing_exchanges(const Definitions& definitions) {
  std::vector<Change> changes;
  for (const auto& [name, vhost] : definitions.vhosts()) {
    for (ExchangeSpec& exchange : predeclared_exchanges(name)) {
      if (!vhost.exchanges.contains(exchange.name)) changes.push_back(PutExchange{std::move(exchange)});
    }
  }
  return changes;
}

class NodeImpl final : public Node {
 public:
  NodeImpl(std::span<const runtime::ShardRuntime> shards, runtime::DiskExecutor& helper, NodeOptions options,
           std::uint64_t incarnation)
      : runtimes_(shards.begin(), shards.end()) {
    shared_.options = std::move(options);
    shared_.incarnation = incarnation;
    shared_.helper = &helper;
    shared_.memory_limit_bytes = shared_.options.memory_limit_bytes;
    shared_.disk_low_water_bytes = shared_.options.disk_low_water_bytes;
    shared_.options.random(shared_.unknown_users_key);
    shared_.shards.resize(shards.size());
  }

  ~NodeImpl() override = default;

  result<void> recover(storage::DataDirectory& directory) {
    Definitions definitions;
    for (unsigned i = 0; i < runtimes_.size(); ++i) {
      auto shard = Shard::open(shared_, i, runtimes_[i], directory.shard_path(i), definitions, recovery_);
      if (shard.has_error()) return shard.error();
      shared_.shards[i] = shard->get();
      shards_.push_back(std::move(*shard));
    }
    settle_what_arrived();
    coordinator_ = std::make_unique<Coordinator>(shared_, std::move(definitions));
    shared_.coordinator = coordinator_.get();
    management_ =
        std::make_unique<ManagementImpl>(shared_, [this](Task then) { look_at_disk(std::move(then)); });
    if (shared_.options.spans) management_->tell_spans();
    coordinator_->bring_up_to_date();
    for (auto& shard : shards_) shard->finish_recovery(recovery_);
    if (coordinator_->is_fresh()) {
      coordinator_->import(coordinator_->first_definitions(), [](result<void>) {});
    } else if (auto missing = missing_exchanges(coordinator_->definitions()); !missing.empty()) {
      coordinator_->import(std::move(missing), [](result<void>) {});
    }

    storage::DiskGuard::Options guard;
    guard.directory = directory.path();
    guard.reserve_bytes = shared_.options.disk_reserve_bytes;
    guard.low_water_bytes = shared_.options.disk_low_water_bytes;
    guard.clear_bytes = clear_above(guard.low_water_bytes);
    auto opened = storage::DiskGuard::open(runtimes_[0].files, guard);
    if (opened.has_error()) return opened.error();
    guard_ = std::move(*opened);
    watch_disk();
    return {};
  }

  const NodeRecovery& recovery() const noexcept override { return recovery_; }
  Gate& gate(unsigned shard) noexcept override { return *shards_[shard]; }
  Management& management() noexcept override { return *management_; }

  void end_turn(unsigned shard, bool idle) override {
    shards_[shard]->end_turn(idle);
    watch_memory();
  }

  void change(std::vector<Change> changes, Done<void> done) override {
    runtimes_[0].executor.post([this, changes = std::move(changes), done = std::move(done)]() mutable {
      coordinator_->import(std::move(changes), std::move(done));
    });
  }

  void stop(runtime::Milliseconds grace, Task done) override {
    runtimes_[0].executor.post([this, grace, done = std::move(done)]() mutable {
      if (shared_.stopping.exchange(true)) return;
      stopped_ = std::move(done);
      waiting_ = shards_.size();
      runtimes_[0].timers.start(grace, [this] { close_stores(); });
      on_all([this](Shard& shard) {
        shard.close_connections(
            fail(Errc::shutting_down, "broker forced connection closure with reason 'shutdown'"),
            [this, &shard] { shard.call(ShardId(0), [this] { one_left(); }); });
      });
    });
  }

 private:
  // A crash came between the arrival of all copies of a message and its settlement where it lay before: it
  // is done with. Those of which some are missing are sent on once more.
  void settle_what_arrived() {
    struct Seen {
      std::uint32_t copies = 0;
      std::uint32_t arrived = 0;
    };
    boost::unordered_flat_map<Arrivals::Name, Seen> seen;
    for (auto& shard : shards_) {
      shard->arrivals().for_each([&](const Arrivals::Name& name, const Arrivals::Arrival& arrival) {
        Seen& of_all = seen[name];
        of_all.copies = arrival.copies;
        of_all.arrived += static_cast<std::uint32_t>(arrival.places.size());
      });
    }
    boost::unordered::erase_if(seen, [&](const auto& item) {
      const Arrivals::Name& name = item.first;
      const Seen& of_all = item.second;
      const auto holder = std::find_if(shards_.begin(), shards_.end(),
                                       [&](const auto& shard) { return shard->recovered_may_hold(name); });
      if (holder == shards_.end()) return true;
      if (of_all.copies > 0 && of_all.arrived >= of_all.copies) (*holder)->settle_recovered(name);
      return false;
    });
    for (auto& shard : shards_) {
      shard->arrivals().forget_if([&](const Arrivals::Name& name) { return !seen.contains(name); });
    }
  }

  template <class F>
  void on_all(F visit) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      Shard& shard = *shards_[i];
      shards_[0]->call(ShardId(static_cast<std::uint16_t>(i)), [visit, &shard] { visit(shard); });
    }
  }

  void one_left() {
    if (--waiting_ > 0) return;
    in_transfer_ = shards_.size();
    on_all([this](Shard& shard) {
      shard.finish_transfers([this, &shard] {
        shard.call(ShardId(0), [this] {
          if (--in_transfer_ == 0) close_stores();
        });
      });
    });
  }

  void close_stores() {
    if (std::exchange(closing_stores_, true)) return;
    open_stores_ = shards_.size();
    on_all([this](Shard& shard) {
      shard.close_store([this, &shard] {
        shard.call(ShardId(0), [this] {
          if (--open_stores_ == 0) stopped_();
        });
      });
    });
  }

  void set_alarm(std::string_view reason) {
    on_all([reason = std::string(reason)](Shard& shard) { shard.set_alarm(reason); });
  }

  static std::string_view alarm_event(bool set) noexcept { return set ? "alarm.set" : "alarm.cleared"; }

  void tell_alarms() {
    const bool memory = shared_.memory_alarm.load();
    set_alarm(disk_alarm_ ? "low on disk" : memory ? "low on memory" : "");
  }

  void watch_disk() {
    if (shared_.stopping.load()) return;
    look_at_disk([this] { runtimes_[0].timers.start(kDiskCheckInterval, [this] { watch_disk(); }); });
  }

  // On shard 0.
  void look_at_disk(Task then) {
    auto low = std::make_shared<bool>(false);
    shared_.helper->submit(
        [this, low] {
          const std::uint64_t low_water = shared_.disk_low_water_bytes.load();
          guard_->set_bounds(low_water, clear_above(low_water));
          *low = guard_->check() == storage::DiskGuard::State::alarm;
        },
        [this, low, then = std::move(then)]() mutable {
          set_disk_alarm(*low);
          then();
        });
  }

  void set_disk_alarm(bool low) {
    if (low == disk_alarm_) return;
    disk_alarm_ = low;
    management_->set_disk_alarm(low);
    shared_.options.log(low ? LogLevel::warning : LogLevel::info,
                        low ? "disk space is low: publishers are blocked until there is more"
                            : "disk space is sufficient again: publishers go on");
    tell_alarms();
    announce_alarm(*shards_[0], alarm_event(low), "disk");
  }

  // On any shard; the flag's change is told once.
  void watch_memory() {
    const auto limit = static_cast<std::int64_t>(shared_.memory_limit_bytes.load(std::memory_order_relaxed));
    const std::int64_t used = shared_.memory_bytes.load(std::memory_order_relaxed);
    const bool alarm = shared_.memory_alarm.load(std::memory_order_relaxed);
    const bool now = limit < kLeastMemoryLimit || (alarm ? used > limit - limit / 8 : used > limit);
    if (now == alarm) return;
    bool expected = alarm;
    if (!shared_.memory_alarm.compare_exchange_strong(expected, now)) return;
    runtimes_[0].executor.post([this, now] {
      shared_.options.log(
          now ? LogLevel::warning : LogLevel::info,
          now ? "memory for messages is used up: publishers are blocked until consumers or the "
                "disk have taken some"
              : "memory for messages is sufficient again: publishers go on");
      tell_alarms();
      announce_alarm(*shards_[0], alarm_event(now), "memory");
    });
  }

  std::vector<runtime::ShardRuntime> runtimes_;
  NodeShared shared_;
  NodeRecovery recovery_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<ManagementImpl> management_;
  std::unique_ptr<storage::DiskGuard> guard_;
  bool disk_alarm_ = false;
  bool closing_stores_ = false;
  std::size_t waiting_ = 0;      // shards with connections
  std::size_t in_transfer_ = 0;  // shards that may still send messages on
  std::size_t open_stores_ = 0;  // shards whose log is open
  Task stopped_;
};

}  // namespace

result<std::unique_ptr<Node>> Node::open(std::span<const runtime::ShardRuntime> shards,
                                         runtime::DiskExecutor& helper, storage::DataDirectory& directory,
                                         NodeOptions options) {
  auto node = std::make_unique<NodeImpl>(shards, helper, std::move(options), directory.incarnation());
  if (auto recovered = node->recover(directory); recovered.has_error()) return recovered.error();
  return std::unique_ptr<Node>(std::move(node));
}

}  // namespace millrace::broker
