#include "broker/queue/spill.hpp"

#include <algorithm>

namespace millrace::broker {
namespace {

constexpr std::size_t kFirstChunkBytes = 1u << 10;
constexpr std::size_t kMaxChunkBytes = 64u << 10;

}  // namespace

ByteView Spill::keep_bytes(ByteView bytes) {
  if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < bytes.size()) {
    const std::size_t usual = chunks_.empty() ? kFirstChunkBytes : 2 * chunks_.back().capacity();
    chunks_.emplace_back().reserve(std::max(bytes.size(), std::min(usual, kMaxChunkBytes)));
  }
  std::uint8_t* const at = chunks_.back().extend(bytes.size());
  std::copy(bytes.begin(), bytes.end(), at);
  return {at, bytes.size()};
}

void Spill::add(std::uint64_t entity, std::uint64_t seq, std::uint64_t meta, ByteView prefix,
                const MessageRef& message) {
  storage::SegmentItem& item = items.emplace_back();
  item.entity = entity;
  item.seq = seq;
  item.meta = meta;
  item.parts[0] = keep_bytes(prefix);
  item.parts[1] = message->header();
  item.parts[2] = message->body();
  keep_.push_back(message);
}

void Spill::add(std::uint64_t entity, std::uint64_t seq, std::uint64_t meta, const MessageRef& message) {
  prefix_.clear();
  put_message_prefix(prefix_, *message);
  add(entity, seq, meta, prefix_.view(), message);
}

}  // namespace millrace::broker
