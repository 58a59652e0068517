// The bytes of a file in memory, in chunks that are made when they are needed, and what all files together
// may take.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/bytes.hpp"

namespace millrace::runtime {

// Any thread.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t bytes) noexcept : free_(bytes) {}
  bool take(std::uint64_t bytes) noexcept;
  void give_back(std::uint64_t bytes) noexcept { free_ += bytes; }
  std::uint64_t free() const noexcept { return free_; }

 private:
  std::atomic<std::uint64_t> free_;
};

// Lives as long as it has a name or is open. Any thread.
class MemoryFileContent {
 public:
  static constexpr std::size_t kChunkBytes = 64 * 1024;

  explicit MemoryFileContent(std::shared_ptr<MemoryBudget> budget) noexcept : budget_(std::move(budget)) {}
  ~MemoryFileContent() { budget_->give_back(charged_); }

  // False: the budget is used up; nothing was written.
  bool write(std::uint64_t offset, std::span<const ByteView> parts);
  std::size_t read(std::uint64_t offset, std::span<std::uint8_t> out) const;
  std::uint64_t size() const;
  bool truncate(std::uint64_t size);
  bool allocate(std::uint64_t size);

 private:
  bool charge(std::uint64_t end);
  void write_chunk(std::uint64_t offset, ByteView bytes);

  const std::shared_ptr<MemoryBudget> budget_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;  // null: all zeros
  std::uint64_t size_ = 0;
  std::uint64_t charged_ = 0;
};

}  // namespace millrace::runtime
