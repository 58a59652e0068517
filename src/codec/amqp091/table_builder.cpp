#include "codec/amqp091/table_builder.hpp"

#include <bit>

#include "base/assert.hpp"
#include "codec/amqp091/wire.hpp"

namespace millrace::amqp091 {

TableBuilder& TableBuilder::put_double(std::string_view key, double value) {
  return head(key, 'd').fixed(std::bit_cast<std::uint64_t>(value));
}

TableBuilder& TableBuilder::put_double(double value) {
  return head('d').fixed(std::bit_cast<std::uint64_t>(value));
}

TableBuilder& TableBuilder::put_raw(std::string_view key, char type, ByteView encoded) {
  head(key, type);
  out_.append(encoded);
  return *this;
}

TableBuilder& TableBuilder::put_raw(char type, ByteView encoded) {
  head(type);
  out_.append(encoded);
  return *this;
}

TableView TableBuilder::view() const {
  MILLRACE_ASSERT(depth_ == 0, "a table or an array was begun and not ended");
  return {out_.view().subspan(start_)};
}

TableBuilder& TableBuilder::head(std::string_view key, char type) {
  MILLRACE_ASSERT(levels_[depth_].keyed, "the values of an array have no keys");
  wire::put_short_text(out_.extend(wire::short_text_bytes(key)), key);
  return fixed(type);
}

TableBuilder& TableBuilder::head(char type) {
  MILLRACE_ASSERT(!levels_[depth_].keyed, "the entries of a table have keys");
  return fixed(type);
}

TableBuilder& TableBuilder::counted(std::string_view value) {
  const ByteView bytes = as_bytes(value);
  wire::put_long_bytes(out_.extend(wire::long_bytes(bytes)), bytes);
  return *this;
}

TableBuilder& TableBuilder::open(bool keyed) {
  MILLRACE_ASSERT(depth_ + 1 < kMaxTableDepth, "tables within tables without end");
  out_.extend(4);
  levels_[++depth_] = {out_.size(), keyed};
  return *this;
}

TableBuilder& TableBuilder::close(bool keyed) {
  MILLRACE_ASSERT(depth_ != 0 && levels_[depth_].keyed == keyed, "end without its begin");
  const std::size_t start = levels_[depth_--].start;
  store_be(out_.data() + start - 4, static_cast<std::uint32_t>(out_.size() - start));
  return *this;
}

}  // namespace millrace::amqp091
