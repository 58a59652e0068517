// Field tables and arrays (AMQP 0-9-1 §4.2.5.5) with RabbitMQ's type octets, read in place.
//
// Views point into the bytes received and are walked lazily. Walking malformed bytes is safe: it ends where
// they stop making sense. Call valid() once on what comes from outside, then nothing below can surprise.
#pragma once

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/reader.hpp"

namespace millrace::amqp091 {

// Tables within tables: the outermost counts as one. Deeper ones are refused as malformed.
inline constexpr unsigned kMaxTableDepth = 32;

class ValueView;

// The entries of a table, without the length in front of them.
struct TableView {
  ByteView bytes;

  class Iterator;
  Iterator begin() const noexcept;
  static std::default_sentinel_t end() noexcept { return {}; }
  bool empty() const noexcept { return bytes.empty(); }
};

// The values of an array, without the length in front of them.
struct ArrayView {
  ByteView bytes;

  class Iterator;
  Iterator begin() const noexcept;
  static std::default_sentinel_t end() noexcept { return {}; }
  bool empty() const noexcept { return bytes.empty(); }
};

// One value: its type octet and its bytes as encoded.
class ValueView {
 public:
  ValueView() = default;  // void
  // Takes the type octet and the value; latches failure of `in` where the type is unknown or the value cut
  // short.
  static ValueView read(Reader& in) noexcept;

  char type() const noexcept { return type_; }
  // As on the wire after the type octet, with the length of text, binary, tables and arrays.
  ByteView encoded() const noexcept { return encoded_; }
  // Without that length.
  ByteView content() const noexcept { return has_length() ? encoded_.subspan(4) : encoded_; }

  std::optional<std::int64_t> as_integer() const noexcept;     // b B s u I i l L
  std::optional<std::string_view> as_text() const noexcept;    // S x
  std::optional<bool> as_bool() const noexcept;                // t
  std::optional<double> as_double() const noexcept;            // f d
  std::optional<std::uint64_t> as_timestamp() const noexcept;  // T, seconds
  std::optional<TableView> as_table() const noexcept;          // F
  std::optional<ArrayView> as_array() const noexcept;          // A

 private:
  ValueView(char type, ByteView encoded) noexcept : type_(type), encoded_(encoded) {}
  bool has_length() const noexcept { return type_ == 'S' || type_ == 'x' || type_ == 'F' || type_ == 'A'; }

  char type_ = 'V';
  ByteView encoded_;
};

struct TableEntry {
  std::string_view key;
  ValueView value;
  ByteView encoded;  // key, type octet and value as on the wire
};

class TableView::Iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = TableEntry;

  explicit Iterator(ByteView bytes) noexcept : in_(bytes) { ++*this; }
  const TableEntry& operator*() const noexcept { return entry_; }
  const TableEntry* operator->() const noexcept { return &entry_; }
  Iterator& operator++() noexcept {
    if (in_.at_end()) return done_ = true, *this;
    const std::uint8_t* start = in_.position();
    entry_.key = in_.text(in_.u8());
    entry_.value = ValueView::read(in_);
    done_ = in_.failed();
    entry_.encoded = {start, in_.position()};
    return *this;
  }
  void operator++(int) noexcept { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept { return done_; }

 private:
  Reader in_;
  TableEntry entry_;
  bool done_ = false;
};

class ArrayView::Iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = ValueView;

  explicit Iterator(ByteView bytes) noexcept : in_(bytes) { ++*this; }
  const ValueView& operator*() const noexcept { return value_; }
  const ValueView* operator->() const noexcept { return &value_; }
  Iterator& operator++() noexcept {
    if (in_.at_end()) return done_ = true, *this;
    value_ = ValueView::read(in_);
    done_ = in_.failed();
    return *this;
  }
  void operator++(int) noexcept { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept { return done_; }

 private:
  Reader in_;
  ValueView value_;
  bool done_ = false;
};

inline TableView::Iterator TableView::begin() const noexcept {
  return Iterator(bytes);
}
inline ArrayView::Iterator ArrayView::begin() const noexcept {
  return Iterator(bytes);
}

// Whether all of it, to the innermost value, is well formed and no deeper than kMaxTableDepth. Linear in its
// bytes, without recursion.
bool valid(TableView table) noexcept;

// The first entry of that key.
std::optional<ValueView> find(TableView table, std::string_view key) noexcept;

// RabbitMQ's word for a type octet, as its error texts use it: 'I' is "signedint". Empty for an unknown
// octet.
std::string_view type_name(char type) noexcept;

// The value for an error text: 1000, lazy, true, [a, b]. At most a few hundred bytes, the rest is cut.
std::string describe(ValueView value);

}  // namespace millrace::amqp091
