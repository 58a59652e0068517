#include "storage/sorted_run_file.hpp"

#include <algorithm>
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

bool take_block(const SortedRunFile& file, std::uint64_t number, ByteView block, std::uint64_t skip,
                std::vector<RankedEntry>& out) {
  const auto expected =
      std::min<std::uint64_t>(kRunBlockEntries, file.entries() - (number - 1) * kRunBlockEntries);
  Reader reader(block);
  const auto crc = reader.le<std::uint32_t>();
  const auto entries = reader.le<std::uint32_t>();
  if (crc != block_checksum(file.id(), block) || reader.le<std::uint64_t>() != number ||
      entries != expected) {
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

SortedRunFile::~SortedRunFile() {
  (void)files_.remove(path_);  // best effort: the next start removes it otherwise
}

result<std::vector<RankedEntry>> SortedRunFile::read(std::uint64_t first, std::size_t count) const {
  MILLRACE_ASSERT(first < entries_, "reading past the end of a sorted run");
  const std::uint64_t first_block = 1 + first / kRunBlockEntries;
  const std::uint64_t blocks = std::min<std::uint64_t>(std::max<std::size_t>(count / kRunBlockEntries, 1),
                                                       blocks_of(entries_) - first_block + 1);
  auto opened = files_.open(path_, runtime::OpenMode::read);
  if (!opened) {
    if (opened.error().code == Errc::not_found) return damaged("sorted run", path_, "it is missing");
    return opened.error();
  }
  Buffer bytes;
  const auto wanted = static_cast<std::size_t>(blocks) * kRunBlockBytes;
  const auto got = (*opened)->read(first_block * kRunBlockBytes, {bytes.extend(wanted), wanted});
  if (!got) return got.error();
  if (*got != wanted) return damaged("sorted run", path_, "it was cut");
  std::vector<RankedEntry> entries;
  entries.reserve(static_cast<std::size_t>(blocks) * kRunBlockEntries);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const ByteView block = bytes.view().subspan(static_cast<std::size_t>(i) * kRunBlockBytes, kRunBlockBytes);
    const std::uint64_t skip = i == 0 ? first % kRunBlockEntries : 0;
    if (!take_block(*this, first_block + i, block, skip, entries)) {
      return damaged("sorted run", path_, "block " + std::to_string(first_block + i) + " fails its checksum");
    }
  }
  return entries;
}

SortedRunWriter::SortedRunWriter(runtime::FileSystem& files, std::string path, SortedRunId id,
                                 std::uint64_t entries)
    : files_(files), path_(std::move(path)), id_(id), entries_(entries) {}

result<void> SortedRunWriter::begin() {
  auto file = files_.open(path_, runtime::OpenMode::create_new);
  if (!file) return file.error();
  file_ = std::move(*file);
  run_ = std::make_shared<const SortedRunFile>(files_, path_, id_, entries_);
  if (auto done = file_->allocate((1 + blocks_of(entries_)) * kRunBlockBytes); !done) return done;
  std::uint8_t* header = buffer_.extend(kRunBlockBytes);
  std::memset(header, 0, kRunBlockBytes);
  store_le(header, kRunMagic);
  store_le(header + 8, kSortedRunVersion);
  store_le(header + 16, id_.value);
  store_le(header + 24, entries_);
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
  store_le(block, block_checksum(id_, {block, kRunBlockBytes}));
  in_block_ = 0;
}

result<void> SortedRunWriter::write_buffer() {
  if (auto done = file_->write(written_, buffer_.view()); !done) return done;
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

result<std::shared_ptr<const SortedRunFile>> SortedRunWriter::finish() {
  MILLRACE_ASSERT(added_ == entries_, "a sorted run came out at another size than planned");
  if (in_block_ != 0) end_block();
  if (auto done = write_buffer(); !done) return done.error();
  file_.reset();
  return std::move(run_);
}

}  // namespace millrace::storage
