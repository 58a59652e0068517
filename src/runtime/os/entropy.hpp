// Random bytes from the kernel, fit for secrets.
#pragma once

#include <cstdint>
#include <span>

namespace millrace::runtime {

// Blocks only in the first moments after boot, until the kernel's pool is ready. Cannot fail otherwise.
void fill_random(std::span<std::uint8_t> out) noexcept;

}  // namespace millrace::runtime
