// Memory of what is made for each message by one thread and let go of by another one. malloc gives it back to
// the place that the first thread took it from, under that one's lock, and neither thread's cache is of use.
// Here it travels back many pieces at a time.
//
// Any thread. Bound: what is kept for later is at most kRecycledMax bytes of each size, and two batches for
// each thread; the rest goes back to malloc.
#pragma once

#include <cstddef>
#include <new>

namespace millrace::detail {

inline constexpr std::size_t kRecycledMax = 2u << 20;
inline constexpr std::size_t kRecycledLargest = 1152;

// Larger ones than that come from malloc and go there. Throws std::bad_alloc.
void* take_recycled(std::size_t bytes);
// With the size that it was taken with.
void recycle(void* memory, std::size_t bytes) noexcept;

// Objects of classes that derive from it live there; with a library that is built with a sanitizer, which is
// to see each of them come and go, they do not.
struct Recycled {
  static void* operator new(std::size_t bytes);
  static void operator delete(void* memory, std::size_t bytes) noexcept;
  // A handler of the program's may want more of its address than that: those come from malloc.
  static void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return ::operator new(bytes, alignment);
  }
  static void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    ::operator delete(memory, alignment);
  }
};

// The same for std::allocate_shared.
template <class T>
struct RecycledAllocator {
  using value_type = T;

  RecycledAllocator() = default;
  template <class U>
  explicit RecycledAllocator(const RecycledAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) { return static_cast<T*>(Recycled::operator new(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept {
    Recycled::operator delete(memory, count * sizeof(T));
  }
  template <class U>
  bool operator==(const RecycledAllocator<U>&) const noexcept {
    return true;
  }
};

}  // namespace millrace::detail
