// Side by side: millrace::queue and the queues that people use in one process, handing items from producer
// threads to consumer threads. Peers that were not found when this was built are named and left out.
//
//   millrace_bench_inprocess [--rounds N] [--only SUBSTRING]

#include <semaphore.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <latch>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "millrace/queue.hpp"
#ifdef MILLRACE_BENCH_MOODYCAMEL
#include <concurrentqueue/blockingconcurrentqueue.h>
#endif
#ifdef MILLRACE_BENCH_BOOST
#include <boost/lockfree/queue.hpp>
#endif
#ifdef MILLRACE_BENCH_TBB
#include <tbb/concurrent_queue.h>
#endif

namespace {

template <class T>
struct Millrace {
  static constexpr const char* kName = "millrace";
  explicit Millrace(std::size_t capacity) : queue(capacity) {}
  void put(T item) { queue.put(std::move(item)); }
  T get() { return queue.get(); }
  millrace::queue<T> queue;
};

template <class T>
struct MutexDeque {
  static constexpr const char* kName = "mutex+deque";
  explicit MutexDeque(std::size_t bound) : capacity(bound) {}
  void put(T item) {
    {
      std::unique_lock lock(mutex);
      if (capacity != 0) not_full.wait(lock, [this] { return items.size() < capacity; });
      items.push_back(std::move(item));
    }
    not_empty.notify_one();
  }
  T get() {
    std::unique_lock lock(mutex);
    not_empty.wait(lock, [this] { return !items.empty(); });
    T item = std::move(items.front());
    items.pop_front();
    lock.unlock();
    if (capacity != 0) not_full.notify_one();
    return item;
  }
  const std::size_t capacity;
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<T> items;
};

class Semaphore {
 public:
  explicit Semaphore(unsigned value) { sem_init(&semaphore_, 0, value); }
  ~Semaphore() { sem_destroy(&semaphore_); }
  void post() { sem_post(&semaphore_); }
  void wait() {
    while (sem_wait(&semaphore_) != 0) {
    }
  }

 private:
  sem_t semaphore_;
};

// Neither of these two is bounded by itself: a second semaphore counts the room.
#ifdef MILLRACE_BENCH_MOODYCAMEL
template <class T>
struct Moodycamel {
  static constexpr const char* kName = "moodycamel";
  explicit Moodycamel(std::size_t bound)
      : capacity(bound), room(static_cast<moodycamel::LightweightSemaphore::ssize_t>(bound)) {}
  void put(T item) {
    if (capacity != 0) room.wait();
    queue.enqueue(std::move(item));
  }
  T get() {
    T item;
    queue.wait_dequeue(item);
    if (capacity != 0) room.signal();
    return item;
  }
  const std::size_t capacity;
  moodycamel::LightweightSemaphore room;
  moodycamel::BlockingConcurrentQueue<T> queue;
};
#endif

#ifdef MILLRACE_BENCH_BOOST
// boost::lockfree::queue holds trivial types only, so a string travels as a pointer.
template <class T>
struct BoostLockfree {
  static constexpr const char* kName = "boost.lockfree";
  static constexpr bool kByPointer = !std::is_trivially_copyable_v<T>;
  using Stored = std::conditional_t<kByPointer, T*, T>;
  explicit BoostLockfree(std::size_t bound)
      : capacity(bound), room(static_cast<unsigned>(bound)), queue(bound == 0 ? 1024 : bound) {}
  void put(T item) {
    if (capacity != 0) room.wait();
    if constexpr (kByPointer) {
      queue.push(new T(std::move(item)));
    } else {
      queue.push(item);
    }
    ready.post();
  }
  T get() {
    ready.wait();
    Stored stored;
    while (!queue.pop(stored)) {
    }
    if (capacity != 0) room.post();
    if constexpr (kByPointer) {
      T item = std::move(*stored);
      delete stored;
      return item;
    } else {
      return stored;
    }
  }
  const std::size_t capacity;
  Semaphore ready{0}, room;
  boost::lockfree::queue<Stored> queue;
};
#endif

#ifdef MILLRACE_BENCH_TBB
template <class T>
struct Tbb {
  static constexpr const char* kName = "tbb bounded";
  explicit Tbb(std::size_t bound) {
    if (bound != 0) queue.set_capacity(static_cast<std::ptrdiff_t>(bound));
  }
  void put(T item) { queue.push(std::move(item)); }
  T get() {
    T item;
    queue.pop(item);
    return item;
  }
  tbb::concurrent_bounded_queue<T> queue;
};
#endif

template <class T>
T make_item(std::uint64_t n) {
  if constexpr (std::is_same_v<T, std::string>) {
    // As long as a short JSON document: it needs memory of its own.
    std::string text(40, 'x');
    std::memcpy(text.data(), &n, sizeof n);
    return text;
  } else {
    return static_cast<T>(n);
  }
}

template <class T>
std::uint64_t value_of(const T& item) {
  if constexpr (std::is_same_v<T, std::string>) {
    std::uint64_t n = 0;
    std::memcpy(&n, item.data(), sizeof n);
    return n;
  } else {
    return static_cast<std::uint64_t>(item);
  }
}

// Million items per second. Ends the process when the sum of what came is not that of what went.
template <class Queue, class T>
double run(unsigned producers, unsigned consumers, std::size_t capacity, std::uint64_t items) {
  Queue queue(capacity);
  const std::uint64_t each = items / producers / consumers * consumers;
  const std::uint64_t total = each * producers;
  std::latch start(producers + consumers + 1);
  std::atomic<std::uint64_t> received{0};
  std::chrono::steady_clock::time_point begin, end;
  {
    std::vector<std::jthread> threads;
    for (unsigned n = 0; n < producers; ++n) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (std::uint64_t i = 1; i <= each; ++i) queue.put(make_item<T>(i));
      });
    }
    for (unsigned n = 0; n < consumers; ++n) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < total / consumers; ++i) sum += value_of<T>(queue.get());
        received += sum;
      });
    }
    start.arrive_and_wait();
    begin = std::chrono::steady_clock::now();
  }
  end = std::chrono::steady_clock::now();
  if (received != producers * (each * (each + 1) / 2)) {
    std::fprintf(stderr, "items were lost or changed\n");
    std::exit(1);
  }
  return static_cast<double>(total) / std::chrono::duration<double, std::micro>(end - begin).count();
}

struct Peer {
  const char* name;
  std::function<double(unsigned, unsigned, std::size_t, std::uint64_t)> run;
};

template <class T>
std::vector<Peer> peers() {
  std::vector<Peer> all;
  all.push_back({Millrace<T>::kName, run<Millrace<T>, T>});
#ifdef MILLRACE_BENCH_MOODYCAMEL
  all.push_back({Moodycamel<T>::kName, run<Moodycamel<T>, T>});
#endif
#ifdef MILLRACE_BENCH_BOOST
  all.push_back({BoostLockfree<T>::kName, run<BoostLockfree<T>, T>});
#endif
#ifdef MILLRACE_BENCH_TBB
  all.push_back({Tbb<T>::kName, run<Tbb<T>, T>});
#endif
  all.push_back({MutexDeque<T>::kName, run<MutexDeque<T>, T>});
  return all;
}

// So many items that a run takes about a third of a second: no thread is through before the next one has
// started.
template <class T>
std::uint64_t items_for(double million_per_second) {
  const double most = std::is_same_v<T, std::string> ? 2e6 : 8e6;  // an unbounded queue may hold them all
  return static_cast<std::uint64_t>(std::clamp(million_per_second * 1e6 / 3, 1e5, most));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class T>
void row(const char* type, unsigned threads, std::size_t capacity, unsigned rounds, const std::string& only) {
  const std::string name = std::string(type) + " " + std::to_string(threads) + "x" + std::to_string(threads) +
                           (capacity == 0 ? " unbounded" : " bounded " + std::to_string(capacity));
  if (name.find(only) == std::string::npos) return;
  const std::vector<Peer> all = peers<T>();
  std::vector<std::vector<double>> rates(all.size());
  std::vector<std::uint64_t> items;
  for (const Peer& peer : all) items.push_back(items_for<T>(peer.run(threads, threads, capacity, 100'000)));
  // In turns, so that what else the machine does meets all of them.
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::size_t n = 0; n < all.size(); ++n) {
      rates[n].push_back(all[n].run(threads, threads, capacity, items[n]));
    }
  }
  const double ours = median(rates.front());
  double best = 0;
  std::printf("| %-24s |", name.c_str());
  for (std::size_t n = 0; n < all.size(); ++n) {
    const double rate = median(rates[n]);
    if (n > 0) best = std::max(best, rate);
    if (n == 0) {
      std::printf(" %6.2f |", rate);
    } else {
      std::printf(" %6.2f (%5.2fx) |", rate, ours / rate);
    }
  }
  std::printf(" %5.2fx |\n", ours / best);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  unsigned rounds = 5;
  std::string only;
  for (int n = 1; n < argc; ++n) {
    const std::string argument = argv[n];
    if (argument == "--rounds" && n + 1 < argc) {
      rounds = static_cast<unsigned>(std::max(1, std::atoi(argv[++n])));
    } else if (argument == "--only" && n + 1 < argc) {
      only = argv[++n];
    } else {
      std::fprintf(stderr, "usage: %s [--rounds N] [--only SUBSTRING]\n", argv[0]);
      return 2;
    }
  }
#ifndef MILLRACE_BENCH_MOODYCAMEL
  std::printf("left out: moodycamel (libconcurrentqueue-dev was not found)\n");
#endif
#ifndef MILLRACE_BENCH_BOOST
  std::printf("left out: boost.lockfree (libboost-dev was not found)\n");
#endif
#ifndef MILLRACE_BENCH_TBB
  std::printf("left out: TBB (libtbb-dev was not found)\n");
#endif
  std::printf("Million items a second, median of %u rounds; in brackets millrace / peer.\n\n", rounds);
  std::printf("| producers x consumers    |");
  for (const Peer& peer : peers<int>()) std::printf(" %s |", peer.name);
  std::printf(" to the best peer |\n|---|");
  for (std::size_t n = 0; n < peers<int>().size(); ++n) std::printf("---|");
  std::printf("---|\n");
  for (const std::size_t capacity : {std::size_t{0}, std::size_t{1024}}) {
    for (const unsigned threads : {1U, 2U, 4U}) {
      row<int>("int", threads, capacity, rounds, only);
      row<std::string>("string", threads, capacity, rounds, only);
    }
  }
}
