// Memory for JSON that one thread reads and another one lets go of (millrace/detail/recycled.hpp).
#pragma once

#include <boost/json/memory_resource.hpp>
#include <boost/json/storage_ptr.hpp>

#include "millrace/detail/recycled.hpp"

namespace millrace::tasks {

class RecycledMemory final : public boost::json::memory_resource {
 private:
  void* do_allocate(std::size_t bytes, std::size_t) override {
    return millrace::detail::Recycled::operator new(bytes);
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t) override {
    millrace::detail::Recycled::operator delete(memory, bytes);
  }
  bool do_is_equal(const boost::json::memory_resource& other) const noexcept override {
    return this == &other;
  }
};

// For values that may outlive everything else.
inline boost::json::storage_ptr recycled_json() {
  static auto& memory = *new RecycledMemory();  // never destroyed
  return &memory;
}

}  // namespace millrace::tasks
