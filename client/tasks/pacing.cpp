#include "client/tasks/pacing.hpp"

#include <algorithm>
#include <utility>

#include "client/tasks/json_message.hpp"
#include "client/tasks/kept_state.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using std::chrono::microseconds;

// Another worker has the message for some milliseconds, or the broker takes a while to see that one has died.
// When nobody brings it for that long somebody has purged the queue.
constexpr std::chrono::milliseconds kNobodyHasIt{30'000};
constexpr std::chrono::milliseconds kBetweenLooks{5};
// Times that are nearer are waited for here.
constexpr Milliseconds kNear{20};
constexpr std::chrono::milliseconds kAfterTrouble{200};

std::string queue_of(const std::string& task) {
  return "millrace.rate." + task;
}

struct Taken {
  std::vector<Delivery> deliveries;  // given back when they go
  WallTime next;
};

// Of several the later time counts.
Taken take_next(Client& client, const std::string& queue, const std::function<bool()>& stopped) {
  Taken taken;
  const auto given_up = std::chrono::steady_clock::now() + kNobodyHasIt;
  taken.deliveries = take_state(
      client, queue, kBetweenLooks, [&] { return std::chrono::steady_clock::now() < given_up && !stopped(); },
      [&](const json::value& kept) {
        const microseconds next(kept.at("next_us").to_number<std::int64_t>());
        taken.next = std::max(taken.next, WallTime(next));
      });
  return taken;
}

void put_next(Client& client, const std::string& queue, WallTime next) {
  const auto since_1970 = std::chrono::duration_cast<microseconds>(next.time_since_epoch());
  client.publish(queue, json_message(json::object{{"next_us", since_1970.count()}}));
}

}  // namespace

WallTime take_time(WallTime& next, WallTime now, const TaskOptions& options) {
  const auto between = std::chrono::duration_cast<WallTime::duration>(options.rate_per) / options.rate_count;
  const WallTime time = std::max(now, next - between * (options.rate_burst - 1));
  next = std::max(next, time) + between;
  return time;
}

void Pacer::declare(const std::string& task) {
  const std::string queue = queue_of(task);
  bool is_new = false;
  try {
    client_.inspect_queue(queue);
  } catch (const ClientError& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    is_new = true;
  }
  client_.declare_queue(QueueSpec(queue));
  // Several workers that begin together do no harm: of several messages the latest time counts.
  if (is_new) put_next(client_, queue, WallTime());
}

void Pacer::put(Call call) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  waiting_[call.task->name].push_back(std::move(call));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void Pacer::stop() {
  std::map<std::string, std::vector<Call>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Pacer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    std::vector<Call> calls = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    lock.unlock();
    bool trouble = false;
    try {
      place(std::move(calls));
    } catch (const std::exception&) {
      trouble = true;  // the calls have gone back, and come again
    }
    lock.lock();
    if (trouble) changed_.wait_for(lock, kAfterTrouble, [this] { return stopping_; });
  }
}

void Pacer::place(std::vector<Call> calls) {
  const TaskOptions& options = calls.front().task->options;
  const std::string queue = queue_of(calls.front().task->name);
  std::vector<WallTime> times;
  {
    const auto stopped = [this] {
      const std::lock_guard lock(mutex_);
      return stopping_;
    };
    Taken taken = take_next(client_, queue, stopped);
    if (stopped()) return;  // the calls go back
    const WallTime now = std::chrono::system_clock::now();
    for (std::size_t i = 0; i < calls.size(); ++i) times.push_back(take_time(taken.next, now, options));
    put_next(client_, queue, taken.next);
    for (Delivery& delivery : taken.deliveries) delivery.ack();
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto left = [&] {
      return std::chrono::ceil<Milliseconds>(times[i] - std::chrono::system_clock::now());
    };
    if (left() <= kNear) std::this_thread::sleep_until(times[i]);
    placed_(std::move(calls[i]), left());
  }
}

}  // namespace millrace::tasks
