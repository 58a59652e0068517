// The bytes of a segment file; docs/format/segment.md draws them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "runtime/file_system.hpp"
#include "storage/segments.hpp"

namespace millrace::storage {

// The file: header, items, index of runs, zeros up to a multiple of kDirectAlignment, of which the last
// kSegmentTrailerBytes are the trailer.
inline constexpr std::uint32_t kSegmentVersion = 1;
inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kSegmentRunBytes = 48;
inline constexpr std::size_t kSegmentTrailerBytes = 64;

void put_segment_header(std::uint8_t* at, SegmentId id) noexcept;
void put_item_header(std::uint8_t* at, const SegmentItem& item) noexcept;
std::uint64_t payload_bytes(const SegmentItem& item) noexcept;

// The index and, after padding, the trailer: all that follows the items, which end at `index_offset`.
std::vector<std::uint8_t> segment_footer(SegmentId id, std::uint64_t index_offset,
                                         const std::vector<SegmentRun>& runs);
// The size of the whole file.
std::uint64_t segment_file_bytes(std::uint64_t index_offset, std::uint64_t runs) noexcept;

// Errors: io_error, corrupt (the text says what about `path` is wrong), precondition_failed (a newer format).
result<std::vector<SegmentRun>> read_segment_runs(runtime::File& file, const std::string& path, SegmentId id);

}  // namespace millrace::storage
