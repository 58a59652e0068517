// Writes the entries of a field table into a Buffer; the lengths of inner tables and arrays are filled in at
// their end.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/buffer.hpp"
#include "codec/amqp091/table.hpp"

namespace millrace::amqp091 {

// Entries go behind what the Buffer holds already, with no length in front of the outermost table (the length
// belongs to the field that holds it). Inside a table give a key, inside an array none. Keys are cut at 255
// bytes. Nothing else may write into the Buffer meanwhile. Mixing up keys, begins and ends is a bug of the
// caller and asserts.
class TableBuilder {
 public:
  explicit TableBuilder(Buffer& out) noexcept : out_(out), start_(out.size()) {}

  TableBuilder& put_text(std::string_view key, std::string_view value) {
    return head(key, 'S').counted(value);
  }
  TableBuilder& put_text(std::string_view value) { return head('S').counted(value); }
  TableBuilder& put_long(std::string_view key, std::int64_t value) { return head(key, 'l').fixed(value); }
  TableBuilder& put_long(std::int64_t value) { return head('l').fixed(value); }
  TableBuilder& put_int(std::string_view key, std::int32_t value) { return head(key, 'I').fixed(value); }
  TableBuilder& put_int(std::int32_t value) { return head('I').fixed(value); }
  TableBuilder& put_bool(std::string_view key, bool value) {
    return head(key, 't').fixed(std::uint8_t{value});
  }
  TableBuilder& put_bool(bool value) { return head('t').fixed(std::uint8_t{value}); }
  TableBuilder& put_double(std::string_view key, double value);
  TableBuilder& put_double(double value);
  TableBuilder& put_timestamp(std::string_view key, std::uint64_t seconds) {
    return head(key, 'T').fixed(seconds);
  }
  TableBuilder& put_timestamp(std::uint64_t seconds) { return head('T').fixed(seconds); }
  // `encoded` as ValueView::encoded() gives it.
  TableBuilder& put_raw(std::string_view key, char type, ByteView encoded);
  TableBuilder& put_raw(char type, ByteView encoded);

  TableBuilder& begin_table(std::string_view key) { return head(key, 'F').open(true); }
  TableBuilder& begin_table() { return head('F').open(true); }
  TableBuilder& end_table() { return close(true); }
  TableBuilder& begin_array(std::string_view key) { return head(key, 'A').open(false); }
  TableBuilder& begin_array() { return head('A').open(false); }
  TableBuilder& end_array() { return close(false); }

  // All that was put, once every begin has its end. Valid until the Buffer changes.
  TableView view() const;

 private:
  struct Level {
    std::size_t start = 0;  // of the content
    bool keyed = true;
  };

  TableBuilder& head(std::string_view key, char type);
  TableBuilder& head(char type);
  TableBuilder& counted(std::string_view value);
  template <class T>
  TableBuilder& fixed(T value) {
    out_.put_be(value);
    return *this;
  }
  TableBuilder& open(bool keyed);
  TableBuilder& close(bool keyed);

  Buffer& out_;
  std::size_t start_;
  unsigned depth_ = 0;
  std::array<Level, kMaxTableDepth> levels_;
};

}  // namespace millrace::amqp091
