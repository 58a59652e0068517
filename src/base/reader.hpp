// Reads fields from bytes, bounds checked. A read past the end yields zero or empty and latches failed(), so
// that a decoder can read a whole structure and check once. Counts read from outside are to be held against
// remaining().
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"

namespace millrace {

class Reader {
 public:
  explicit Reader(ByteView bytes) noexcept : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool failed() const noexcept { return failed_; }
  bool at_end() const noexcept { return at_ == end_; }
  std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  const std::uint8_t* position() const noexcept { return at_; }
  void fail() noexcept {
    failed_ = true;
    at_ = end_;
  }

  template <class T>
  T be() noexcept {
    if (remaining() < sizeof(T)) return fail(), T{};
    const T value = load_be<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  template <class T>
  T le() noexcept {
    if (remaining() < sizeof(T)) return fail(), T{};
    const T value = load_le<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  std::uint8_t u8() noexcept { return be<std::uint8_t>(); }

  // Unsigned LEB128, at most 10 bytes.
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return fail(), 0;
      const std::uint8_t byte = *at_++;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return fail(), 0;
  }

  ByteView bytes(std::size_t count) noexcept {
    if (remaining() < count) return fail(), ByteView{};
    const ByteView view{at_, count};
    at_ += count;
    return view;
  }
  std::string_view text(std::size_t count) noexcept { return as_text(bytes(count)); }
  // A varint length and that many bytes: the form of names in our own formats.
  std::string_view sized_text() noexcept {
    const std::uint64_t count = varint();
    return count > remaining() ? (fail(), std::string_view{}) : text(static_cast<std::size_t>(count));
  }
  ByteView rest() noexcept { return bytes(remaining()); }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool failed_ = false;
};

}  // namespace millrace
