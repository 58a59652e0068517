// Reads a log file from front to back in large pieces. For recovery; blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "runtime/file_system.hpp"
#include "storage/log_format.hpp"

namespace millrace::storage {

class LogReader {
 public:
  LogReader(runtime::File& file, std::uint64_t file_bytes, std::uint32_t salt)
      : file_(file), file_bytes_(file_bytes), salt_(salt) {}

  enum class Outcome : std::uint8_t { sound, bad, io_failed };
  // The record at `offset`, checked against its crc; `bytes` is what it takes with its header. The payload is
  // valid until the next call. The LSN and the epoch are for the caller to judge.
  Outcome read(std::uint64_t offset, Record& record, std::uint64_t& bytes);
  const Error& error() const noexcept { return error_; }

  // What lies behind a place where the log seems to end.
  struct Beyond {
    Lsn stated_durable;            // the highest that a sound commit group there states
    std::uint64_t end_offset = 0;  // of the last sound record found there, 0 when there is none
  };
  // Looks at every byte from `offset` on for commit groups of `epoch` or later with an LSN above `after`.
  // Groups of earlier epochs state nothing about records of this one.
  result<Beyond> look_beyond(std::uint64_t offset, Lsn after, std::uint32_t epoch);

 private:
  // At least `bytes` bytes at `offset`, fewer only at the end of the file or (none) when reading failed.
  ByteView window(std::uint64_t offset, std::size_t bytes);

  runtime::File& file_;
  std::uint64_t file_bytes_;
  std::uint32_t salt_;
  std::unique_ptr<std::uint8_t[]> memory_;
  std::size_t capacity_ = 0;
  std::uint64_t window_offset_ = 0;
  std::size_t window_bytes_ = 0;
  Error error_;
  bool failed_ = false;
};

}  // namespace millrace::storage
