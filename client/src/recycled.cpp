#include "millrace/detail/recycled.hpp"

#include <array>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace::detail {
namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kSizes = kRecycledLargest / kStep;
constexpr unsigned kBatch = 32;

constexpr std::size_t size_of(std::size_t index) noexcept {
  return (index + 1) * kStep;
}

// Pieces of one size. They are not linked to each other: to take one does not read it, which another
// processor wrote last.
struct Batch {
  std::array<void*, kBatch> pieces;
  unsigned count = 0;

  bool is_full() const noexcept { return count == kBatch; }
  void put(void* piece) noexcept { pieces[count++] = piece; }
  void* take(std::size_t bytes) noexcept {
    void* const piece = pieces[--count];
    // What is taken is about to be written, and the next one soon.
    if (count != 0) {
      const auto* next = static_cast<const char*>(pieces[count - 1]);
      for (std::size_t line = 0; line < bytes; line += 64) __builtin_prefetch(next + line, 1);
    }
    return piece;
  }
  void free_all() noexcept {
    while (count != 0) ::operator delete(pieces[--count]);
  }
};

// Full batches of one size, on their way from threads that free to those that take.
class Depot {
 public:
  // False: there is none.
  bool take(Batch& batch) {
    const std::lock_guard lock(mutex_);
    if (batches_.empty()) return false;
    batch = batches_.back();
    batches_.pop_back();
    return true;
  }
  // False: there is no room.
  bool give(const Batch& batch, std::size_t most) {
    const std::lock_guard lock(mutex_);
    if (batches_.size() >= most) return false;
    batches_.push_back(batch);
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<Batch> batches_;
};

// Never destroyed: threads may outlive what is.
std::array<Depot, kSizes>& depots() {
  static auto& all = *new std::array<Depot, kSizes>();
  return all;
}

// Leaves it empty.
void give(std::size_t index, Batch& batch) noexcept {
  try {
    if (depots()[index].give(batch, kRecycledMax / (kBatch * size_of(index)))) batch.count = 0;
  } catch (const std::bad_alloc&) {
    // There is no memory to remember it by.
  }
  batch.free_all();
}

thread_local bool thread_ends = false;

// What a thread has at hand: a batch that it takes from and adds to, and another one beside it, full or
// empty, so that going back and forth over a batch's end does not go to the depot each time.
struct Hand {
  struct Pair {
    Batch first;
    Batch second;
  };
  std::array<Pair, kSizes> pairs;

  ~Hand() {
    thread_ends = true;
    for (Pair& pair : pairs) {
      pair.first.free_all();
      pair.second.free_all();
    }
  }
};

thread_local Hand hand;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kObjectsRecycled = false;
#else
constexpr bool kObjectsRecycled = true;
#endif

}  // namespace

void* take_recycled(std::size_t bytes) {
  const std::size_t index = (bytes - 1) / kStep;
  if (bytes == 0 || bytes > kRecycledLargest) return ::operator new(bytes);
  if (thread_ends) return ::operator new(size_of(index));
  auto& [first, second] = hand.pairs[index];
  if (first.count == 0) {
    if (second.count != 0)
      std::swap(first, second);
    else if (!depots()[index].take(first))
      return ::operator new(size_of(index));
  }
  return first.take(bytes);
}

void recycle(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  const std::size_t index = (bytes - 1) / kStep;
  if (bytes == 0 || bytes > kRecycledLargest || thread_ends) return ::operator delete(memory);
  auto& [first, second] = hand.pairs[index];
  if (first.is_full()) {
    if (second.count != 0) give(index, second);
    std::swap(first, second);
  }
  first.put(memory);
}

void* Recycled::operator new(std::size_t bytes) {
  return kObjectsRecycled ? take_recycled(bytes) : ::operator new(bytes);
}

void Recycled::operator delete(void* memory, std::size_t bytes) noexcept {
  kObjectsRecycled ? recycle(memory, bytes) : ::operator delete(memory);
}

}  // namespace millrace::detail
