// The base of objects shared by Ref across threads: an atomic count and a virtual end.
#pragma once

#include <atomic>
#include <cstdint>

namespace millrace {

class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_ref() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    // The only holder may skip the locked decrement: nobody else can add one meanwhile.
    if (references_.load(std::memory_order_acquire) == 1 ||
        references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete this;
    }
  }

 protected:
  virtual ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> references_{1};  // the creator's
};

}  // namespace millrace
