#include "storage/body_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/crc32c.hpp"
#include "base/reader.hpp"
#include "storage/damaged.hpp"
#include "storage/whole_file.hpp"

namespace millrace::storage {
namespace {

// The header: magic u64, version u32, crc32c of the body u32, length u64, id u64.
constexpr std::uint64_t kBodyMagic = 0x59444f424352524dull;  // "MRRCBODY"

}  // namespace

BodyWriter::BodyWriter(runtime::FileSystem& files, std::string directory, const std::string& name,
                       BodyFileId id, ByteView body)
    : files_(files),
      directory_(std::move(directory)),
      path_(directory_ + "/" + name),
      unfinished_path_(path_ + std::string(kUnfinishedSuffix)),
      id_(id),
      body_(body) {}

result<bool> BodyWriter::step() {
  auto more = advance();
  if (!more && file_) {
    file_.reset();
    (void)files_.remove(unfinished_path_);  // best effort: the next start removes it otherwise
  }
  return more;
}

result<bool> BodyWriter::advance() {
  if (!file_) {
    auto file = files_.open(unfinished_path_, runtime::OpenMode::create_new);
    if (!file) return file.error();
    file_ = std::move(*file);
    // A full disk shows here, before anything was written.
    if (auto done = file_->allocate(kBodyFileHeaderBytes + body_.size()); !done) return done.error();
  }
  const ByteView piece = body_.subspan(written_, std::min(kBodyPieceBytes, body_.size() - written_));
  if (auto done = file_->write(kBodyFileHeaderBytes + written_, piece); !done) return done.error();
  crc_ = crc32c(crc_, piece);
  written_ += piece.size();
  if (written_ == body_.size()) {
    if (auto done = write_header(); !done) return done.error();
  }
  // Synced piece by piece: one sync of all would keep the log waiting for as long as it takes.
  if (auto done = file_->sync_data(); !done) return done.error();
  if (written_ < body_.size()) return true;
  if (auto done = files_.rename(unfinished_path_, path_); !done) return done.error();
  if (auto done = files_.sync_directory(directory_); !done) {
    // The name may or may not survive; the caller is told that nothing was added, so it goes.
    (void)files_.remove(path_);
    return done.error();
  }
  return false;
}

result<void> BodyWriter::write_header() {
  std::array<std::uint8_t, kBodyFileHeaderBytes> header;
  store_le(&header[0], kBodyMagic);
  store_le(&header[8], kBodyFileVersion);
  store_le(&header[12], crc_);
  store_le(&header[16], std::uint64_t{body_.size()});
  store_le(&header[24], id_.value);
  return file_->write(0, ByteView(header));
}

BodyReader::BodyReader(runtime::FileSystem& files, std::string path, BodyFileId id)
    : files_(files), path_(std::move(path)), id_(id) {}

BodyReader::BodyReader(runtime::FileSystem& files, std::string path, BodyFileId id,
                       std::span<std::uint8_t> room)
    : files_(files), path_(std::move(path)), id_(id), room_(room) {}

Error BodyReader::damaged(const char* how) const {
  return storage::damaged("body file", path_, how);
}

result<void> BodyReader::read_header() {
  auto file = files_.open(path_, runtime::OpenMode::read);
  if (!file) return file.error();
  file_ = std::move(*file);
  const auto size = file_->size();
  if (!size) return size.error();
  std::array<std::uint8_t, kBodyFileHeaderBytes> header{};
  const auto got = file_->read(0, header);
  if (!got) return got.error();
  Reader reader(header);
  const auto magic = reader.le<std::uint64_t>();
  const auto version = reader.le<std::uint32_t>();
  stored_crc_ = reader.le<std::uint32_t>();
  length_ = reader.le<std::uint64_t>();
  const auto id = reader.le<std::uint64_t>();
  if (*got != header.size() || magic != kBodyMagic) return damaged("it does not begin like one");
  if (version > kBodyFileVersion) {
    return fail(Errc::precondition_failed, "the body file '" + path_ +
                                               "' was written by a newer version of Millrace (format " +
                                               std::to_string(version) + "): start that one");
  }
  if (version == 0 || id != id_.value) return damaged("it is another file, renamed");
  if (length_ != *size - kBodyFileHeaderBytes) return damaged("its length is not what its header says");
  if (room_ && length_ != room_->size()) return damaged("its length is not what its record says");
  return {};
}

result<bool> BodyReader::step() {
  if (!file_) {
    if (auto read = read_header(); !read) return read.error();
    if (!room_) body_.reserve(static_cast<std::size_t>(length_));
  }
  const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(kBodyPieceBytes, length_ - read_));
  std::uint8_t* at = room_ ? room_->data() + read_ : body_.reserve(piece);
  const auto got = file_->read(kBodyFileHeaderBytes + read_, {at, piece});
  if (!got) return got.error();
  if (*got != piece) return damaged("it was cut");
  crc_ = crc32c(crc_, {at, piece});
  if (!room_) body_.commit(piece);
  read_ += piece;
  if (read_ < length_) return true;
  if (crc_ != stored_crc_) return damaged("its checksum does not fit");
  return false;
}

}  // namespace millrace::storage
