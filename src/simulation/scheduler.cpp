#include "simulation/scheduler.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace millrace::simulation {

using runtime::Nanoseconds;

void Shard::post(Task task) {
  posted_.push_back(std::move(task));
}

runtime::TimerId Shard::start(Nanoseconds delay, Task task) {
  const runtime::TimerId id(next_timer_++);
  timers_.emplace(std::pair(scheduler_.now_ + std::max(delay, Nanoseconds{}), id.value), std::move(task));
  return id;
}

void Shard::cancel(runtime::TimerId timer) {
  for (auto at = timers_.begin(); at != timers_.end(); ++at) {
    if (at->first.second != timer.value) continue;
    const Task unrun = std::move(at->second);  // its end may come back here
    timers_.erase(at);
    return;
  }
}

void Shard::submit(Task work, Task done) {
  if (disk_.empty()) disk_ready_ = scheduler_.now_ + disk_delay();
  disk_.push_back({std::move(work), std::move(done)});
}

runtime::ShardRuntime Shard::runtime(runtime::FileSystem& files) {
  return {scheduler_, *this, *this, *this, files};
}

Nanoseconds Shard::disk_delay() {
  const auto& options = scheduler_.options_;
  const auto range = static_cast<std::uint64_t>((options.disk_delay_max - options.disk_delay_min).count());
  return options.disk_delay_min + Nanoseconds(luck_.below(range + 1));
}

void Shard::run_disk_work() {
  DiskWork item = std::move(disk_.front());
  disk_.pop_front();
  if (!disk_.empty()) disk_ready_ = scheduler_.now_ + disk_delay();
  item.work();
  item.work = nullptr;
  posted_.push_back(std::move(item.done));
}

Scheduler::Scheduler(std::uint64_t seed, Options options)
    : seed_(seed), options_(options), order_(Prng(seed).fork(1)) {}

Scheduler::~Scheduler() {
  drop_everything();
}

Shard& Scheduler::add_shard() {
  shards_.push_back(std::unique_ptr<Shard>(new Shard(*this, Prng(seed_).fork(2 + shards_.size()))));
  return *shards_.back();
}

runtime::Milliseconds Scheduler::wall() const {
  return options_.wall_start + std::chrono::duration_cast<runtime::Milliseconds>(now_);
}

void Scheduler::collect_ready() {
  ready_.clear();
  for (const auto& shard : shards_) {
    if (!shard->posted_.empty()) ready_.push_back({shard.get(), Source::Kind::posted});
    if (!shard->timers_.empty() && shard->timers_.begin()->first.first <= now_)
      ready_.push_back({shard.get(), Source::Kind::timer});
    if (!shard->disk_.empty() && shard->disk_ready_ <= now_)
      ready_.push_back({shard.get(), Source::Kind::disk});
  }
}

bool Scheduler::advance_clock(Nanoseconds limit) {
  Nanoseconds next = Nanoseconds::max();
  for (const auto& shard : shards_) {
    if (!shard->timers_.empty()) next = std::min(next, shard->timers_.begin()->first.first);
    if (!shard->disk_.empty()) next = std::min(next, shard->disk_ready_);
  }
  if (next == Nanoseconds::max() || next > limit) return false;
  now_ = std::max(now_, next);
  return true;
}

void Scheduler::run(Source source) {
  Shard& shard = *source.shard;
  switch (source.kind) {
    case Source::Kind::posted: {
      Task task = std::move(shard.posted_.front());
      shard.posted_.pop_front();
      task();
      break;
    }
    case Source::Kind::timer: {
      Task task = std::move(shard.timers_.begin()->second);
      shard.timers_.erase(shard.timers_.begin());
      task();
      break;
    }
    case Source::Kind::disk:
      shard.run_disk_work();
      break;
  }
  if (halted_) drop_everything();
}

bool Scheduler::busy() {
  collect_ready();
  return !ready_.empty();
}

bool Scheduler::step() {
  if (halted_) return false;
  collect_ready();
  if (ready_.empty()) {
    if (!advance_clock(Nanoseconds::max())) return false;
    collect_ready();
  }
  run(ready_[order_.below(ready_.size())]);
  return true;
}

void Scheduler::spend(std::uint64_t& budget) const {
  if (budget-- != 0) return;
  throw std::runtime_error("the simulation did not come to rest within " +
                           std::to_string(options_.poll_budget) + " steps; seed " + std::to_string(seed_));
}

void Scheduler::run_until_idle() {
  for (std::uint64_t budget = options_.poll_budget; step();) spend(budget);
}

void Scheduler::run_for(Nanoseconds duration) {
  const Nanoseconds end = now_ + duration;
  for (std::uint64_t budget = options_.poll_budget; !halted_; spend(budget)) {
    collect_ready();
    if (ready_.empty()) {
      if (!advance_clock(end)) break;
      continue;
    }
    run(ready_[order_.below(ready_.size())]);
  }
  now_ = std::max(now_, end);
}

bool Scheduler::run_until(const std::function<bool()>& condition) {
  for (std::uint64_t budget = options_.poll_budget; !condition(); spend(budget)) {
    if (!step()) return condition();
  }
  return true;
}

void Scheduler::halt() {
  // What runs at the moment still stands on the queued tasks' owners, so they are dropped when it has
  // returned.
  halted_ = true;
}

void Scheduler::drop_everything() {
  for (const auto& shard : shards_) {
    // The end of a task may post another one; a machine that stands still takes no notice.
    auto posted = std::move(shard->posted_);
    auto timers = std::move(shard->timers_);
    auto disk = std::move(shard->disk_);
    shard->posted_.clear();
    shard->timers_.clear();
    shard->disk_.clear();
  }
}

}  // namespace millrace::simulation
