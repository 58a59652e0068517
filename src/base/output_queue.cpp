#include "base/output_queue.hpp"

#include <algorithm>

namespace millrace {

void OutputQueue::append_shared(ByteView bytes, Ref<const RefCounted> keep) {
  shared_bytes_ += tail_.size() + bytes.size();
  pieces_.push_back({std::move(tail_), bytes, std::move(keep)});
}

std::size_t OutputQueue::gather(std::span<iovec> out) const {
  std::size_t count = 0;
  const auto add = [&](ByteView bytes) {
    if (bytes.empty() || count == out.size()) return;
    out[count++] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  };
  for (const Piece& piece : pieces_) {
    if (count == out.size()) return count;
    add(piece.copied.view());
    add(piece.shared);
  }
  add(tail_.view());
  return count;
}

void OutputQueue::consume(std::size_t bytes) {
  consumed_bytes_ += bytes;
  while (bytes != 0 && !pieces_.empty()) {
    Piece& piece = pieces_.front();
    const std::size_t from_copied = std::min(bytes, piece.copied.size());
    piece.copied.consume(from_copied);
    const std::size_t from_shared = std::min(bytes - from_copied, piece.shared.size());
    piece.shared = piece.shared.subspan(from_shared);
    shared_bytes_ -= from_copied + from_shared;
    bytes -= from_copied + from_shared;
    if (!piece.copied.empty() || !piece.shared.empty()) return;
    pieces_.pop_front();
  }
  tail_.consume(bytes);
}

void OutputQueue::clear() {
  pieces_.clear();
  shared_bytes_ = 0;
  tail_.clear();
}

}  // namespace millrace
