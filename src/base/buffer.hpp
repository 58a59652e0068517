// A growable byte buffer whose new room is not zeroed first: what sockets are read into and frames written
// into.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"

namespace millrace {

// Owned by one thread. Pointers into it live until the next call that may grow it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  std::uint8_t* data() noexcept { return data_ + begin_; }
  const std::uint8_t* data() const noexcept { return data_ + begin_; }
  std::size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  std::size_t capacity() const noexcept { return capacity_; }
  ByteView view() const noexcept { return {data(), size()}; }

  // Makes room for `bytes` more and returns where they go, uninitialised; call commit() with how many were
  // written.
  std::uint8_t* reserve(std::size_t bytes) {
    if (capacity_ - end_ < bytes) make_room(bytes);
    return data_ + end_;
  }
  void commit(std::size_t bytes) noexcept { end_ += bytes; }

  // reserve and commit in one: the caller writes all of it.
  std::uint8_t* extend(std::size_t bytes) {
    std::uint8_t* at = reserve(bytes);
    end_ += bytes;
    return at;
  }

  void append(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }
  void append(std::string_view text) { append(as_bytes(text)); }

  template <class T>
  void put_be(T value) {
    store_be(extend(sizeof value), value);
  }
  template <class T>
  void put_le(T value) {
    store_le(extend(sizeof value), value);
  }

  // Forgets the first `bytes`.
  void consume(std::size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Keeps the first `bytes` only.
  void truncate(std::size_t bytes) noexcept { end_ = begin_ + bytes; }
  void clear() noexcept { begin_ = end_ = 0; }
  // Gives the memory back as well.
  void release() noexcept { Buffer().swap(*this); }

  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void make_room(std::size_t bytes);

  std::uint8_t* data_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace millrace
