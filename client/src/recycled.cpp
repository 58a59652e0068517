#include "millrace/detail/recycled.hpp"

#include <array>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace::detail {
namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kLargest = 1088;
constexpr std::size_t kSizes = kLargest / kStep;
constexpr unsigned kBatch = 32;

struct Piece {
  Piece* next = nullptr;
};

void free_all(Piece* pieces) noexcept {
  while (pieces != nullptr) ::operator delete(std::exchange(pieces, pieces->next));
}

constexpr std::size_t size_of(std::size_t index) noexcept {
  return (index + 1) * kStep;
}

// Full batches of one size, on their way from threads that free to those that take.
class Depot {
 public:
  Piece* take() {
    const std::lock_guard lock(mutex_);
    if (batches_.empty()) return nullptr;
    Piece* const batch = batches_.back();
    batches_.pop_back();
    return batch;
  }
  // False: there is no room.
  bool give(Piece* batch, std::size_t most) {
    const std::lock_guard lock(mutex_);
    if (batches_.size() >= most) return false;
    batches_.push_back(batch);
    return true;
  }

 private:
  std::mutex mutex_;
  std::vector<Piece*> batches_;
};

// Never destroyed: threads may outlive what is.
std::array<Depot, kSizes>& depots() {
  static auto& all = *new std::array<Depot, kSizes>();
  return all;
}

void give(std::size_t index, Piece* batch) noexcept {
  try {
    if (depots()[index].give(batch, kRecycledMax / (kBatch * size_of(index)))) return;
  } catch (const std::bad_alloc&) {
    // There is no memory to remember it by.
  }
  free_all(batch);
}

thread_local bool thread_ends = false;

// What a thread has at hand: one list that it takes from and adds to, and a full batch beside it, so that
// going back and forth over a batch's end does not go to the depot each time.
struct Hand {
  struct List {
    Piece* first = nullptr;
    unsigned count = 0;
    Piece* full = nullptr;
  };
  std::array<List, kSizes> lists;

  ~Hand() {
    thread_ends = true;
    for (List& list : lists) {
      free_all(list.first);
      free_all(list.full);
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
  if (bytes == 0 || bytes > kLargest) return ::operator new(bytes);
  if (thread_ends) return ::operator new(size_of(index));
  Hand::List& list = hand.lists[index];
  if (list.first == nullptr) {
    list.first = std::exchange(list.full, nullptr);
    if (list.first == nullptr) list.first = depots()[index].take();
    if (list.first == nullptr) return ::operator new(size_of(index));
    list.count = kBatch;
  }
  --list.count;
  return std::exchange(list.first, list.first->next);
}

void recycle(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  const std::size_t index = (bytes - 1) / kStep;
  if (bytes == 0 || bytes > kLargest || thread_ends) return ::operator delete(memory);
  Hand::List& list = hand.lists[index];
  if (list.count == kBatch) {
    if (list.full != nullptr) give(index, list.full);
    list.full = std::exchange(list.first, nullptr);
    list.count = 0;
  }
  list.first = new (memory) Piece{list.first};
  ++list.count;
}

void* Recycled::operator new(std::size_t bytes) {
  return kObjectsRecycled ? take_recycled(bytes) : ::operator new(bytes);
}

void Recycled::operator delete(void* memory, std::size_t bytes) noexcept {
  kObjectsRecycled ? recycle(memory, bytes) : ::operator delete(memory);
}

}  // namespace millrace::detail
