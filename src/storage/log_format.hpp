// The bytes of a write-ahead log file: its header block and the header of a record. docs/format/wal.md tells
// the same in prose; the two are changed together.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "storage/record.hpp"

namespace millrace::storage {

// len u32 | crc32c u32 | epoch u32 | lsn u64 | type u8 | flags u8 | entity u64 | payload, little-endian. The
// crc starts from the file's salt and covers len, then everything behind the crc.
inline constexpr std::size_t kRecordHeaderBytes = 30;
// A commit_group record is one of these with the durable LSN as its payload.
inline constexpr std::size_t kCommitGroupBytes = kRecordHeaderBytes + 8;

// The first block of a file holds its header twice, in two sectors, so that neither a torn write of the block
// nor one bad sector loses the file.
inline constexpr std::size_t kFileHeaderBlockBytes = 4096;
inline constexpr std::size_t kFileHeaderCopyOffset = 2048;
inline constexpr std::uint32_t kLogFormatVersion = 1;
// One more for every start.
inline constexpr std::uint32_t kMaxEpoch = 0x7fffffff;

struct LogFileHeader {
  std::uint32_t salt = 0;  // where the crcs of this file's records start; new in each of the file's lives
  std::uint64_t generation =
      0;                        // one more whenever the header changes: of two that differ, the higher counts
  std::uint64_t number = 0;     // the one in the file's name
  Lsn first;                    // of the file's first record; 0 while the file is a spare
  Lsn durable;                  // known to be durable when the file was taken into use
  std::uint32_t epoch = 0;      // in which the file was taken into use
  bool synced = false;          // groups in it are synced before they are called durable (SyncMode::sync)
  std::uint32_t sealed_at = 0;  // where the log ended at a clean stop; 0: it goes on, or was not stopped so

  bool spare() const noexcept { return first == Lsn(0); }
  friend bool operator==(const LogFileHeader&, const LogFileHeader&) = default;
};

// Fills kFileHeaderBlockBytes bytes.
void encode_file_header(const LogFileHeader& header, std::uint8_t* block) noexcept;

enum class FileHeaderState : std::uint8_t {
  sound,    // both copies say the same
  mended,   // one copy is bad or older: write the block again before relying on it
  blank,    // never written
  damaged,  // neither copy can be read
  newer,    // sound, of a later format version
};
// `block` has kFileHeaderBlockBytes bytes. `header` is set when sound or mended.
FileHeaderState decode_file_header(const std::uint8_t* block, LogFileHeader& header) noexcept;

struct RecordHeader {
  std::uint32_t length = 0;  // of the payload
  std::uint32_t crc = 0;
  std::uint32_t epoch = 0;
  Lsn lsn;
  RecordType type{};
  std::uint8_t flags = 0;
  std::uint64_t entity = 0;
};

// All but the crc.
inline void store_record_header(std::uint8_t* at, const RecordHeader& header) noexcept {
  store_le(at, header.length);
  store_le(at + 8, header.epoch);
  store_le(at + 12, header.lsn.value);
  store_le(at + 20, static_cast<std::uint8_t>(header.type));
  store_le(at + 21, header.flags);
  store_le(at + 22, header.entity);
}

inline RecordHeader load_record_header(const std::uint8_t* at) noexcept {
  return {load_le<std::uint32_t>(at),      load_le<std::uint32_t>(at + 4),
          load_le<std::uint32_t>(at + 8),  Lsn(load_le<std::uint64_t>(at + 12)),
          static_cast<RecordType>(at[20]), at[21],
          load_le<std::uint64_t>(at + 22)};
}

// Of a whole record of `bytes` bytes.
std::uint32_t record_crc(std::uint32_t salt, const std::uint8_t* record, std::size_t bytes) noexcept;
inline void seal_record(std::uint32_t salt, std::uint8_t* record, std::size_t bytes) noexcept {
  store_le(record + 4, record_crc(salt, record, bytes));
}
inline bool record_is_sound(std::uint32_t salt, const std::uint8_t* record, std::size_t bytes) noexcept {
  return record[20] != 0 && load_le<std::uint32_t>(record + 4) == record_crc(salt, record, bytes);
}

// The types below are the log's own: they are not replayed.
inline constexpr auto kFirstForeignType = static_cast<RecordType>(16);

}  // namespace millrace::storage
