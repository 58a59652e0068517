#include "storage/segment_format.hpp"

#include <array>

#include "base/assert.hpp"
#include "base/crc32c.hpp"
#include "base/reader.hpp"
#include "storage/damaged.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t kHeaderMagic = 0x474553454341524dull;   // "MRACESEG"
constexpr std::uint64_t kTrailerMagic = 0x444e45454341524dull;  // "MRACEEND"

// Trailer: magic u64, version u32, crc32c u32, segment u64, index offset u64, runs u64, items u64, zeros. The
// crc covers the index and then the trailer without its magic and the crc.
constexpr std::size_t kTrailerCrcOffset = 12;

std::uint32_t footer_checksum(ByteView index, ByteView trailer) noexcept {
  const std::uint32_t crc = crc32c(crc32c(0, index), trailer.subspan(8, 4));
  return crc32c(crc, trailer.subspan(kTrailerCrcOffset + 4));
}

// The length is the crc's start value, so that it is covered without a second pass.
std::uint32_t item_checksum(std::uint32_t length, ByteView rest_of_header) noexcept {
  return crc32c(length, rest_of_header);
}

// That the runs follow each other without a gap, sorted, from the header to the index.
bool well_formed(const std::vector<SegmentRun>& runs, std::uint64_t index_offset,
                 std::uint64_t items) noexcept {
  std::uint64_t offset = kSegmentHeaderBytes;
  std::uint64_t count = 0;
  const SegmentRun* previous = nullptr;
  for (const SegmentRun& run : runs) {
    if (run.offset != offset || run.bytes > index_offset - offset || run.count == 0 ||
        run.bytes / kSegmentItemHeaderBytes < run.count || run.first_seq > run.last_seq ||
        (previous != nullptr && run.entity <= previous->entity)) {
      return false;
    }
    offset += run.bytes;
    count += run.count;
    previous = &run;
  }
  return offset == index_offset && count == items;
}

}  // namespace

void put_segment_header(std::uint8_t* at, SegmentId id) noexcept {
  std::memset(at, 0, kSegmentHeaderBytes);
  store_le(at, kHeaderMagic);
  store_le(at + 8, kSegmentVersion);
  store_le(at + 16, id.value);
}

std::uint64_t payload_bytes(const SegmentItem& item) noexcept {
  return item.parts[0].size() + item.parts[1].size() + item.parts[2].size();
}

void put_item_header(std::uint8_t* at, const SegmentItem& item) noexcept {
  const auto length = static_cast<std::uint32_t>(payload_bytes(item));
  store_le(at, length);
  store_le(at + 8, item.seq);
  store_le(at + 16, item.meta);
  std::uint32_t crc = item_checksum(length, {at + 8, kSegmentItemHeaderBytes - 8});
  for (const ByteView part : item.parts) crc = crc32c(crc, part);
  store_le(at + 4, crc);
}

std::uint64_t item_bytes(ByteView bytes) noexcept {
  if (bytes.size() < sizeof(std::uint32_t)) return 0;
  return kSegmentItemHeaderBytes + std::uint64_t{load_le<std::uint32_t>(bytes.data())};
}

ItemStatus next_item(ByteView& bytes, StoredItem& item) noexcept {
  const std::uint64_t whole = item_bytes(bytes);
  if (whole > kSegmentItemHeaderBytes + std::uint64_t{kMaxItemPayloadBytes}) return ItemStatus::corrupt;
  if (whole == 0 || bytes.size() < whole) return ItemStatus::need_more;
  const auto length = load_le<std::uint32_t>(bytes.data());
  const ByteView covered = bytes.subspan(8, static_cast<std::size_t>(whole) - 8);
  if (load_le<std::uint32_t>(bytes.data() + 4) != item_checksum(length, covered)) return ItemStatus::corrupt;
  item.seq = load_le<std::uint64_t>(bytes.data() + 8);
  item.meta = load_le<std::uint64_t>(bytes.data() + 16);
  item.payload = bytes.subspan(kSegmentItemHeaderBytes, length);
  bytes = bytes.subspan(static_cast<std::size_t>(whole));
  return ItemStatus::item;
}

std::uint64_t segment_file_bytes(std::uint64_t index_offset, std::uint64_t runs) noexcept {
  const std::uint64_t unpadded = index_offset + runs * kSegmentRunBytes + kSegmentTrailerBytes;
  return (unpadded + runtime::kDirectAlignment - 1) / runtime::kDirectAlignment * runtime::kDirectAlignment;
}

std::vector<std::uint8_t> segment_footer(SegmentId id, std::uint64_t index_offset,
                                         const std::vector<SegmentRun>& runs) {
  const std::uint64_t bytes = segment_file_bytes(index_offset, runs.size()) - index_offset;
  std::vector<std::uint8_t> footer(static_cast<std::size_t>(bytes));
  std::uint8_t* at = footer.data();
  std::uint64_t items = 0;
  for (const SegmentRun& run : runs) {
    for (const std::uint64_t field :
         {run.entity, run.offset, run.bytes, run.first_seq, run.last_seq, run.count}) {
      store_le(at, field);
      at += sizeof field;
    }
    items += run.count;
  }
  const ByteView index{footer.data(), at};
  std::uint8_t* trailer = footer.data() + footer.size() - kSegmentTrailerBytes;
  store_le(trailer, kTrailerMagic);
  store_le(trailer + 8, kSegmentVersion);
  store_le(trailer + 16, id.value);
  store_le(trailer + 24, index_offset);
  store_le(trailer + 32, std::uint64_t{runs.size()});
  store_le(trailer + 40, items);
  store_le(trailer + kTrailerCrcOffset, footer_checksum(index, {trailer, kSegmentTrailerBytes}));
  return footer;
}

result<std::vector<SegmentRun>> read_segment_runs(runtime::File& file, const std::string& path,
                                                  SegmentId id) {
  const auto size = file.size();
  if (!size) return size.error();
  if (*size < kSegmentHeaderBytes + kSegmentTrailerBytes || *size % runtime::kDirectAlignment != 0) {
    return damaged("segment", path, "it was cut");
  }
  std::array<std::uint8_t, kSegmentTrailerBytes> trailer;
  const std::uint64_t trailer_offset = *size - kSegmentTrailerBytes;
  const auto got = file.read(trailer_offset, trailer);
  if (!got) return got.error();
  Reader reader(trailer);
  const auto magic = reader.le<std::uint64_t>();
  const auto version = reader.le<std::uint32_t>();
  const auto crc = reader.le<std::uint32_t>();
  const auto stored_id = reader.le<std::uint64_t>();
  const auto index_offset = reader.le<std::uint64_t>();
  const auto run_count = reader.le<std::uint64_t>();
  const auto items = reader.le<std::uint64_t>();
  if (*got != trailer.size() || magic != kTrailerMagic)
    return damaged("segment", path, "it does not end like one");
  if (version > kSegmentVersion) {
    return fail(Errc::precondition_failed, "the segment '" + path +
                                               "' was written by a newer version of Millrace (format " +
                                               std::to_string(version) + "): start that one");
  }
  if (index_offset < kSegmentHeaderBytes || index_offset > trailer_offset ||
      run_count > (trailer_offset - index_offset) / kSegmentRunBytes) {
    return damaged("segment", path, "its trailer points outside of the file");
  }
  std::vector<std::uint8_t> index(static_cast<std::size_t>(run_count) * kSegmentRunBytes);
  const auto index_got = file.read(index_offset, index);
  if (!index_got) return index_got.error();
  if (*index_got != index.size() || crc != footer_checksum(index, trailer)) {
    return damaged("segment", path, "its index fails its checksum");
  }
  Reader fields(index);
  std::vector<SegmentRun> runs(static_cast<std::size_t>(run_count));
  for (SegmentRun& run : runs) {
    run.segment = id;
    run.entity = fields.le<std::uint64_t>();
    run.offset = fields.le<std::uint64_t>();
    run.bytes = fields.le<std::uint64_t>();
    run.first_seq = fields.le<std::uint64_t>();
    run.last_seq = fields.le<std::uint64_t>();
    run.count = fields.le<std::uint64_t>();
  }
  if (stored_id != id.value) return damaged("segment", path, "it is another segment, renamed");
  if (!well_formed(runs, index_offset, items))
    return damaged("segment", path, "its index contradicts itself");
  return runs;
}

}  // namespace millrace::storage
