// Remembers values seen within a window, by count and by age: what deduplicating queues and exchanges ask.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "storage/record.hpp"

namespace millrace::broker {

// A value, and the message that brought it first.
struct Remembered {
  static constexpr std::int64_t kNever = INT64_MAX;

  std::string value;
  std::int64_t until_ms = kNever;  // wall clock
  std::uint64_t seq = 0;           // the first copy's, as whoever keeps the window counts
  storage::Lsn lsn;                // once this is durable, so is the first copy; 0: nothing to wait for
  bool kept = false;               // a restart remembers it, too
};

// A value as log records and checkpoints hold it, docs/format/records.md. Reading latches failure in the
// reader when it is cut short.
void put_remembered(Buffer& out, const Remembered& entry);
Remembered read_remembered(Reader& in);

class DeduplicationWindow {
 public:
  // `size` 0: bounded by kMaxEntries alone. The oldest goes when the window is full.
  static constexpr std::size_t kMaxEntries = 1'000'000;

  // Null: not seen within the window.
  Remembered* find(std::string_view value, std::int64_t now_ms);
  // One that find() does not know. Valid until it is forgotten or pushed out.
  Remembered& remember(Remembered entry, std::size_t size);
  // What a restart finds, in the order of its numbers. Of one value the latest counts; what has ended does
  // not.
  void restore(Remembered entry, std::size_t size, std::int64_t now_ms);
  // Makes room for the value to be accepted again, if it is this copy that brought it.
  void forget(std::string_view value, std::uint64_t seq);
  std::size_t size() const noexcept { return order_.size(); }

  // Those that a restart remembers and that still count: varint count, then each.
  void put_state(Buffer& out, std::int64_t now_ms) const;

 private:
  void drop_oldest();

  std::list<Remembered> order_;  // the oldest first
  boost::unordered_flat_map<std::string_view, std::list<Remembered>::iterator> by_value_;
};

}  // namespace millrace::broker
