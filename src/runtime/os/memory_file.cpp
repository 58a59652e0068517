#include "runtime/os/memory_file.hpp"

#include <algorithm>
#include <cstring>

namespace millrace::runtime {
namespace {

bool all_zero(ByteView bytes) noexcept {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

bool MemoryBudget::take(std::uint64_t bytes) noexcept {
  std::uint64_t free = free_;
  do {
    if (free < bytes) return false;
  } while (!free_.compare_exchange_weak(free, free - bytes));
  return true;
}

bool MemoryFileContent::charge(std::uint64_t end) {
  if (end <= charged_) return true;
  if (!budget_->take(end - charged_)) return false;
  charged_ = end;
  return true;
}

bool MemoryFileContent::write(std::uint64_t offset, std::span<const ByteView> parts) {
  const std::lock_guard lock(mutex_);
  std::uint64_t end = offset;
  for (const ByteView part : parts) end += part.size();
  if (end == offset) return true;
  if (!charge(end)) return false;
  for (ByteView part : parts) {
    while (!part.empty()) {
      const std::size_t now = std::min<std::size_t>(part.size(), kChunkBytes - offset % kChunkBytes);
      write_chunk(offset, part.first(now));
      part = part.subspan(now);
      offset += now;
    }
  }
  size_ = std::max(size_, end);
  return true;
}

void MemoryFileContent::write_chunk(std::uint64_t offset, ByteView bytes) {
  const std::size_t index = offset / kChunkBytes;
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  auto& chunk = chunks_[index];
  if (!chunk && all_zero(bytes)) return;
  if (!chunk) chunk = std::make_unique<std::uint8_t[]>(kChunkBytes);
  std::memcpy(chunk.get() + offset % kChunkBytes, bytes.data(), bytes.size());
}

std::size_t MemoryFileContent::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  const std::lock_guard lock(mutex_);
  if (offset >= size_) return 0;
  out = out.first(std::min<std::uint64_t>(out.size(), size_ - offset));
  for (std::size_t done = 0; done < out.size();) {
    const std::uint64_t at = offset + done;
    const std::size_t now = std::min<std::size_t>(out.size() - done, kChunkBytes - at % kChunkBytes);
    const std::size_t index = at / kChunkBytes;
    if (index < chunks_.size() && chunks_[index])
      std::memcpy(out.data() + done, chunks_[index].get() + at % kChunkBytes, now);
    else
      std::memset(out.data() + done, 0, now);
    done += now;
  }
  return out.size();
}

std::uint64_t MemoryFileContent::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

bool MemoryFileContent::truncate(std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (size > size_ && !charge(size)) return false;
  if (size < size_) {
    // What lies behind is zeros should the file grow again.
    const std::size_t kept = (size + kChunkBytes - 1) / kChunkBytes;
    if (kept < chunks_.size()) chunks_.resize(kept);
    if (kept != 0 && kept <= chunks_.size() && chunks_[kept - 1] && size % kChunkBytes != 0)
      std::memset(chunks_[kept - 1].get() + size % kChunkBytes, 0, kChunkBytes - size % kChunkBytes);
    budget_->give_back(charged_ - size);
    charged_ = size;
  }
  size_ = size;
  return true;
}

// As posix_fallocate: the file becomes as long as what was reserved.
bool MemoryFileContent::allocate(std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (!charge(size)) return false;
  size_ = std::max(size_, size);
  return true;
}

}  // namespace millrace::runtime
