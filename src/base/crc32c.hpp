// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the processor's instruction where there is one.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace millrace {

// Extends `crc` (0, or an earlier result) by `bytes`. A non-zero start acts as a salt.
std::uint32_t crc32c(std::uint32_t crc, ByteView bytes) noexcept;

// The table-driven form that processors without the instruction use; for tests.
std::uint32_t crc32c_portable(std::uint32_t crc, ByteView bytes) noexcept;

}  // namespace millrace
