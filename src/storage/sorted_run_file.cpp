#include "storage/sorted_run_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.hpp"
#include "base/crc32c.hpp"
#include "base/reader.hpp"
#include "storage/damaged.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t kRunMagic = 0x4e5552454341524dull;  // "MRACERUN"
// The header fills the first block: magic u64, version u32, crc32c u32, run u64, entries u64, zeros.
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kHeaderCrcOffset = 12;
// A block: crc32c u32, entries u32, block number u64 (1 for the first), then entries of 16 bytes.
constexpr std::size_t kBlockHeaderBytes = 16;
constexpr std::size_t kEntryBytes = 16;
static_assert(kBlockHeaderBytes + kRunBlockEntries * kEntryBytes == kRunBlockBytes);

constexpr std::size_t kWriteBytes = 16 * kRunBlockBytes;

// The run's number is the start value, so that a block of another file does not pass for one of this.
std::uint32_t block_checksum(SortedRunId id, ByteView block) noexcept {
  return crc32c(static_cast<std::uint32_t>(id.value), block.subspan(4));
}

std::uint32_t header_checksum(ByteView header) noexcept {
  return crc32c(crc32c(0, header.subspan(0, kHeaderCrcOffset)),
                header.subspan(kHeaderCrcOffset + 4, kHeaderBytes - kHeaderCrcOffset - 4));
}

std::uint64_t blocks_of(std::uint64_t entries) noexcept {
  return (entries + kRunBlockEntries - 1) / kRunBlockEntries;
}

// How many entries block `number` of a run has.
std::uint64_t entries_in(const SortedRunFile& file, std::uint64_t number) noexcept {
  return std::min<std::uint64_t>(kRunBlockEntries, file.entries - (number - 1) * kRunBlockEntries);
}

bool take_block(const SortedRunFile& file, std::uint64_t number, ByteView block, std::uint64_t skip,
                std::vector<RankedEntry>& out) {
  Reader reader(block);
  const auto crc = reader.le<std::uint32_t>();
  const auto entries = reader.le<std::uint32_t>();
  if (crc != block_checksum(file.id, block) || reader.le<std::uint64_t>() != number ||
      entries != entries_in(file, number)) {
    return false;
  }
  reader.bytes(static_cast<std::size_t>(skip) * kEntryBytes);
  for (std::uint64_t i = skip; i < entries; ++i) {
    const auto rank = reader.le<std::int64_t>();
    out.push_back({rank, reader.le<std::uint64_t>()});
  }
  return true;
}

}  // namespace

SortedRunWriter::SortedRunWriter(runtime::FileSystem& files, SortedRunFile file)
    : files_(files), description_(std::move(file)) {}

SortedRunWriter::~SortedRunWriter() {
  if (finished_ || !file_) return;
  file_.reset();
  (void)files_.remove(description_.path);  // best effort: the next start removes it otherwise
}

result<void> SortedRunWriter::begin() {
  auto file = files_.open(description_.path, runtime::OpenMode::create_new);
  if (!file) return file.error();
  file_ = std::move(*file);
  if (auto done = file_->allocate((1 + blocks_of(description_.entries)) * kRunBlockBytes); !done) return done;
  std::uint8_t* header = buffer_.extend(kRunBlockBytes);
  std::memset(header, 0, kRunBlockBytes);
  store_le(header, kRunMagic);
  store_le(header + 8, kSortedRunVersion);
  store_le(header + 16, description_.id.value);
  store_le(header + 24, description_.entries);
  store_le(header + kHeaderCrcOffset, header_checksum({header, kHeaderBytes}));
  return {};
}

result<void> SortedRunWriter::add(RankedEntry entry) {
  if (in_block_ == 0) std::memset(buffer_.extend(kRunBlockBytes), 0, kRunBlockBytes);
  std::uint8_t* block = buffer_.data() + buffer_.size() - kRunBlockBytes;
  std::uint8_t* at = block + kBlockHeaderBytes + in_block_ * kEntryBytes;
  store_le(at, entry.rank);
  store_le(at + 8, entry.position);
  ++added_;
  if (++in_block_ < kRunBlockEntries) return {};
  end_block();
  return buffer_.size() < kWriteBytes ? result<void>() : write_buffer();
}

void SortedRunWriter::end_block() noexcept {
  std::uint8_t* block = buffer_.data() + buffer_.size() - kRunBlockBytes;
  store_le(block + 4, static_cast<std::uint32_t>(in_block_));
  store_le(block + 8, blocks_of(added_));
  store_le(block, block_checksum(description_.id, {block, kRunBlockBytes}));
  in_block_ = 0;
}

result<void> SortedRunWriter::write_buffer() {
  if (auto done = file_->write(written_, buffer_.view()); !done) return done;
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

result<void> SortedRunWriter::finish() {
  MILLRACE_ASSERT(added_ == description_.entries, "a sorted run came out at another size than planned");
  if (in_block_ != 0) end_block();
  if (auto done = write_buffer(); !done) return done;
  file_.reset();
  finished_ = true;
  return {};
}

result<void> check_sorted_run(runtime::FileSystem& files, const SortedRunFile& file) {
  auto opened = files.open(file.path, runtime::OpenMode::read);
  if (!opened) {
    if (opened.error().code == Errc::not_found) return damaged("sorted run", file.path, "it is missing");
    return opened.error();
  }
  const auto size = (*opened)->size();
  if (!size) return size.error();
  std::array<std::uint8_t, kHeaderBytes> header{};
  const auto got = (*opened)->read(0, header);
  if (!got) return got.error();
  Reader reader(header);
  const auto magic = reader.le<std::uint64_t>();
  const auto version = reader.le<std::uint32_t>();
  const auto crc = reader.le<std::uint32_t>();
  const auto id = reader.le<std::uint64_t>();
  const auto entries = reader.le<std::uint64_t>();
  if (magic != kRunMagic) return damaged("sorted run", file.path, "it does not begin like one");
  if (version > kSortedRunVersion) {
    return fail(Errc::precondition_failed, "the sorted run '" + file.path +
                                               "' was written by a newer version of Millrace (format " +
                                               std::to_string(version) + "): start that one");
  }
  if (crc != header_checksum(header))
    return damaged("sorted run", file.path, "its header fails its checksum");
  if (id != file.id.value || entries != file.entries)
    return damaged("sorted run", file.path, "it is another run");
  if (*size < (1 + blocks_of(entries)) * kRunBlockBytes)
    return damaged("sorted run", file.path, "it was cut");
  return {};
}

result<std::vector<RankedEntry>> read_sorted_run(runtime::FileSystem& files, const SortedRunFile& file,
                                                 std::uint64_t first, std::size_t count) {
  MILLRACE_ASSERT(first < file.entries, "reading past the end of a sorted run");
  const std::uint64_t first_block = 1 + first / kRunBlockEntries;
  const std::uint64_t blocks = std::min<std::uint64_t>(std::max<std::size_t>(count / kRunBlockEntries, 1),
                                                       blocks_of(file.entries) - first_block + 1);
  auto opened = files.open(file.path, runtime::OpenMode::read);
  if (!opened) {
    if (opened.error().code == Errc::not_found) return damaged("sorted run", file.path, "it is missing");
    return opened.error();
  }
  Buffer bytes;
  const auto wanted = static_cast<std::size_t>(blocks) * kRunBlockBytes;
  const auto got = (*opened)->read(first_block * kRunBlockBytes, {bytes.extend(wanted), wanted});
  if (!got) return got.error();
  if (*got != wanted) return damaged("sorted run", file.path, "it was cut");
  std::vector<RankedEntry> entries;
  entries.reserve(static_cast<std::size_t>(blocks) * kRunBlockEntries);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const ByteView block = bytes.view().subspan(static_cast<std::size_t>(i) * kRunBlockBytes, kRunBlockBytes);
    const std::uint64_t skip = i == 0 ? first % kRunBlockEntries : 0;
    if (!take_block(file, first_block + i, block, skip, entries)) {
      return damaged("sorted run", file.path,
                     "block " + std::to_string(first_block + i) + " fails its checksum");
    }
  }
  return entries;
}

}  // namespace millrace::storage
