// What a queue says of a message in a segment: storage::SegmentItem::meta. docs/format/segment.md.
#pragma once

#include <cstdint>

namespace millrace::broker {

struct ItemMeta {
  bool transient = false;  // a restart drops it
  std::uint32_t deliveries = 0;

  // Bit 0 transient, bits 8… the delivery count.
  std::uint64_t packed() const noexcept {
    return (transient ? 1u : 0u) | std::uint64_t{deliveries} << kDeliveriesShift;
  }
  static ItemMeta unpacked(std::uint64_t meta) noexcept {
    return {(meta & 1) != 0, static_cast<std::uint32_t>(meta >> kDeliveriesShift)};
  }

  static constexpr unsigned kDeliveriesShift = 8;
};

}  // namespace millrace::broker
