// A piece of a segment's run, item by item, with what is damaged passed over as far as lengths can be
// believed. docs/format/segment.md.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "storage/segments.hpp"

namespace millrace::broker {

struct PieceEnd {
  std::uint64_t next_offset = 0;  // in the file, of the first item that is not in the piece as a whole
  std::size_t wanted_bytes = 0;   // that it takes, when the piece has not even one
  bool broken = false;  // where the next item begins cannot be told: the rest of the run is out of reach
};

// Calls on_item(item, offset) or on_damage(offset) for each item of `bytes`, which begins at `offset` of the
// file; the run ends at `end`. What follows a damaged length is read at a wrong place and fails its checksum,
// too: something damaged is never taken for a message.
template <class OnItem, class OnDamage>
PieceEnd walk_piece(ByteView bytes, std::uint64_t offset, std::uint64_t end, OnItem on_item,
                    OnDamage on_damage) {
  PieceEnd piece{offset, 0, false};
  while (!bytes.empty()) {
    const std::uint64_t whole = storage::item_bytes(bytes);
    const std::uint64_t left = end - piece.next_offset;
    if (whole > left || (whole == 0 && bytes.size() >= left)) {
      on_damage(piece.next_offset);
      piece.broken = true;
      return piece;
    }
    storage::StoredItem item;
    ByteView rest = bytes;
    switch (storage::next_item(rest, item)) {
      case storage::ItemStatus::need_more:
        if (piece.next_offset == offset) piece.wanted_bytes = static_cast<std::size_t>(whole);
        return piece;
      case storage::ItemStatus::item:
        on_item(item, piece.next_offset);
        break;
      case storage::ItemStatus::corrupt:
        on_damage(piece.next_offset);
        if (whole > bytes.size()) {
          piece.broken = true;
          return piece;
        }
        break;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(whole));
    piece.next_offset += whole;
  }
  return piece;
}

}  // namespace millrace::broker
