// Memory that direct I/O may use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/assert.hpp"
#include "runtime/file_system.hpp"

namespace millrace::runtime {

struct FreeDirectMemory {
  void operator()(std::uint8_t* memory) const noexcept { std::free(memory); }
};
using DirectMemory = std::unique_ptr<std::uint8_t, FreeDirectMemory>;

// Begins at a multiple of kDirectAlignment, which `bytes` must be as well; not filled. Throws std::bad_alloc.
inline DirectMemory take_direct_memory(std::size_t bytes) {
  MILLRACE_ASSERT(bytes % kDirectAlignment == 0, "memory for direct I/O is taken in whole blocks");
  DirectMemory memory(static_cast<std::uint8_t*>(std::aligned_alloc(kDirectAlignment, bytes)));
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace millrace::runtime
