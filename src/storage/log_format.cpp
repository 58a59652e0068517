#include "storage/log_format.hpp"

#include <algorithm>

#include "base/crc32c.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t kLogMagic = 0x004c41574c4c494d;  // "MILLWAL\0"
constexpr std::size_t kCopyBytes = 64;                   // of one copy, its crc last
constexpr std::size_t kCopyCrcOffset = kCopyBytes - 4;
constexpr std::uint32_t kSyncedFlag = 1;
// No counter gets there in a lifetime; a header that says so is not one of ours, and sums must not wrap.
constexpr std::uint64_t kLimit = std::uint64_t{1} << 62;

void encode_copy(const LogFileHeader& header, std::uint8_t* at) noexcept {
  store_le(at, kLogMagic);
  store_le(at + 8, kLogFormatVersion);
  store_le(at + 12, header.salt);
  store_le(at + 16, header.generation);
  store_le(at + 24, header.number);
  store_le(at + 32, header.first.value);
  store_le(at + 40, header.durable.value);
  store_le(at + 48, header.epoch);
  store_le(at + 52, header.synced ? kSyncedFlag : 0u);
  store_le(at + 56, header.sealed_at);
  store_le(at + kCopyCrcOffset, crc32c(0, {at, kCopyCrcOffset}));
}

FileHeaderState decode_copy(const std::uint8_t* at, LogFileHeader& header) noexcept {
  if (std::all_of(at, at + kCopyBytes, [](std::uint8_t byte) { return byte == 0; }))
    return FileHeaderState::blank;
  if (load_le<std::uint64_t>(at) != kLogMagic ||
      load_le<std::uint32_t>(at + kCopyCrcOffset) != crc32c(0, {at, kCopyCrcOffset}))
    return FileHeaderState::damaged;
  if (load_le<std::uint32_t>(at + 8) > kLogFormatVersion) return FileHeaderState::newer;
  header.salt = load_le<std::uint32_t>(at + 12);
  header.generation = load_le<std::uint64_t>(at + 16);
  header.number = load_le<std::uint64_t>(at + 24);
  header.first = Lsn(load_le<std::uint64_t>(at + 32));
  header.durable = Lsn(load_le<std::uint64_t>(at + 40));
  header.epoch = load_le<std::uint32_t>(at + 48);
  header.synced = (load_le<std::uint32_t>(at + 52) & kSyncedFlag) != 0;
  header.sealed_at = load_le<std::uint32_t>(at + 56);
  if (header.first.value > kLimit || header.durable.value > kLimit || header.generation > kLimit ||
      header.epoch > kMaxEpoch)
    return FileHeaderState::damaged;
  return FileHeaderState::sound;
}

}  // namespace

void encode_file_header(const LogFileHeader& header, std::uint8_t* block) noexcept {
  std::fill_n(block, kFileHeaderBlockBytes, std::uint8_t{0});
  encode_copy(header, block);
  encode_copy(header, block + kFileHeaderCopyOffset);
}

FileHeaderState decode_file_header(const std::uint8_t* block, LogFileHeader& header) noexcept {
  LogFileHeader first;
  LogFileHeader second;
  const FileHeaderState first_state = decode_copy(block, first);
  const FileHeaderState second_state = decode_copy(block + kFileHeaderCopyOffset, second);
  if (first_state == FileHeaderState::newer || second_state == FileHeaderState::newer)
    return FileHeaderState::newer;
  const bool first_sound = first_state == FileHeaderState::sound;
  const bool second_sound = second_state == FileHeaderState::sound;
  if (first_sound && second_sound) {
    header = first.generation >= second.generation ? first : second;
    return first == second ? FileHeaderState::sound : FileHeaderState::mended;
  }
  if (first_sound || second_sound) {
    header = first_sound ? first : second;
    return FileHeaderState::mended;
  }
  const bool blank = first_state == FileHeaderState::blank && second_state == FileHeaderState::blank;
  return blank ? FileHeaderState::blank : FileHeaderState::damaged;
}

std::uint32_t record_crc(std::uint32_t salt, const std::uint8_t* record, std::size_t bytes) noexcept {
  return crc32c(crc32c(salt, {record, 4}), {record + 8, bytes - 8});
}

}  // namespace millrace::storage
