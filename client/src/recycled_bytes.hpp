// Bytes that are written once and let go of by another thread (millrace/detail/recycled.hpp).
#pragma once

#include <cstring>
#include <utility>

#include "base/bytes.hpp"
#include "millrace/detail/recycled.hpp"

namespace millrace::client {

class RecycledBytes {
 public:
  RecycledBytes() = default;
  explicit RecycledBytes(ByteView bytes) : size_(bytes.size()) {
    if (size_ == 0) return;
    data_ = static_cast<std::uint8_t*>(detail::Recycled::operator new(size_));
    std::memcpy(data_, bytes.data(), size_);
  }
  RecycledBytes(RecycledBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  RecycledBytes& operator=(RecycledBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~RecycledBytes() {
    if (data_ != nullptr) detail::Recycled::operator delete(data_, size_);
  }

  ByteView view() const noexcept { return {data_, size_}; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace millrace::client
