// What a connection is about to send: small pieces copied together, large bodies by reference, sent by one
// gathered write. Owned by one thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "base/buffer.hpp"
#include "base/ref.hpp"
#include "base/ref_counted.hpp"

namespace millrace {

class OutputQueue {
 public:
  // Bodies from this size on are worth a reference instead of a copy.
  static constexpr std::size_t kShareFromBytes = 8192;

  // Where frames are written. Valid until the next append_shared or consume.
  Buffer& tail() { return tail_; }

  // Adds bytes without copying them; `keep` owns them until they are sent.
  void append_shared(ByteView bytes, Ref<const RefCounted> keep);

  // The front of the queue as a gather list of at most out.size() entries; returns how many.
  std::size_t gather(std::span<iovec> out) const;
  // The first `bytes` have been sent.
  void consume(std::size_t bytes);

  std::uint64_t consumed_bytes() const noexcept { return consumed_bytes_; }  // ever

  std::size_t size() const noexcept { return shared_bytes_ + tail_.size(); }
  bool empty() const noexcept { return size() == 0; }
  void clear();

 private:
  struct Piece {
    Buffer copied;    // sent first
    ByteView shared;  // then this
    Ref<const RefCounted> keep;
  };
  std::deque<Piece> pieces_;
  std::size_t shared_bytes_ = 0;  // all of pieces_
  std::uint64_t consumed_bytes_ = 0;
  Buffer tail_;  // behind the pieces
};

}  // namespace millrace
