// One body file: written and read in pieces of 1 MiB. docs/format/body-file.md has the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "runtime/file_system.hpp"
#include "storage/body_files.hpp"

namespace millrace::storage {

inline constexpr std::uint32_t kBodyFileVersion = 1;
inline constexpr std::size_t kBodyFileHeaderBytes = 32;
inline constexpr std::size_t kBodyPieceBytes = 1u << 20;

// The header comes last: a file whose name became final has one.
class BodyWriter {
 public:
  // `body` must stay valid until the last step.
  BodyWriter(runtime::FileSystem& files, std::string directory, const std::string& name, BodyFileId id,
             ByteView body);

  // True: there is more to do. After an error the file is gone and step() must not be called again.
  result<bool> step();

 private:
  result<bool> advance();
  result<void> write_header();

  runtime::FileSystem& files_;
  const std::string directory_;
  const std::string path_;
  const std::string unfinished_path_;
  const BodyFileId id_;
  const ByteView body_;
  std::unique_ptr<runtime::File> file_;
  std::size_t written_ = 0;
  std::uint32_t crc_ = 0;
};

class BodyReader {
 public:
  BodyReader(runtime::FileSystem& files, std::string path, BodyFileId id);
  // Reads into `room`, which the body must fill exactly (corrupt otherwise), instead of a buffer of its own.
  BodyReader(runtime::FileSystem& files, std::string path, BodyFileId id, std::span<std::uint8_t> room);

  // True: there is more to do. Errors: not_found, io_error, corrupt, precondition_failed (a newer format);
  // after one step() must not be called again.
  result<bool> step();
  // After the last step, if no room was given.
  Buffer take_body() noexcept { return std::move(body_); }

 private:
  result<void> read_header();
  Error damaged(const char* how) const;

  runtime::FileSystem& files_;
  const std::string path_;
  const BodyFileId id_;
  std::unique_ptr<runtime::File> file_;
  Buffer body_;
  std::optional<std::span<std::uint8_t>> room_;
  std::uint64_t length_ = 0;
  std::uint64_t read_ = 0;
  std::uint32_t stored_crc_ = 0;
  std::uint32_t crc_ = 0;
};

}  // namespace millrace::storage
