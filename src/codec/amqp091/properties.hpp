// The content header of class basic (AMQP 0-9-1 §4.2.6.1) and its property block.
//
// The block ("raw": the flags and the property list as the publisher encoded them) is stored and passed on as
// it is. parse looks into it, rewrite changes only what an Edit names; every other byte and their order stay.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/buffer.hpp"
#include "codec/amqp091/table.hpp"

namespace millrace::amqp091 {

// In the order of the flags, from the highest bit down. Texts are views and at most 255 bytes.
struct Properties {
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> content_encoding;
  std::optional<TableView> headers;
  std::optional<std::uint8_t> delivery_mode;  // 2: persistent
  std::optional<std::uint8_t> priority;
  std::optional<std::string_view> correlation_id;
  std::optional<std::string_view> reply_to;
  std::optional<std::string_view> expiration;
  std::optional<std::string_view> message_id;
  std::optional<std::uint64_t> timestamp;  // seconds
  std::optional<std::string_view> type;
  std::optional<std::string_view> user_id;
  std::optional<std::string_view> app_id;
  std::optional<std::string_view> cluster_id;
};

// A block without any property.
inline constexpr std::uint8_t kNoProperties[2] = {0, 0};

struct ContentHeader {
  std::uint16_t class_id = 0;
  std::uint64_t body_bytes = 0;  // a claim: reserve nothing by it alone
  Properties properties;
  ByteView raw;
};

enum class HeaderParsed : std::uint8_t {
  ok,
  malformed,
  wrong_class,  // class_id is set and is not that of basic
};

// Parses the payload of a HEADER frame. Checks all of it, header tables to their innermost value; a flag that
// AMQP 0-9-1 leaves undefined, and the continuation flag, are malformed.
HeaderParsed parse_content_header(ByteView payload, ContentHeader& out) noexcept;

// The same for a property block alone. False: malformed.
bool parse_properties(ByteView raw, Properties& out) noexcept;
// The same for one that was found well formed before: does not look into the header table again.
bool parse_checked_properties(ByteView raw, Properties& out) noexcept;

// Writes a property block. Texts are cut at 255 bytes.
void write_properties(Buffer& out, const Properties& properties);

// What rewrite changes. Anything that is set takes the place of what was there, or is added.
struct Edit {
  std::span<const std::string_view> drop_headers;  // all entries of these keys go
  ByteView append_headers;                         // encoded entries (TableBuilder) that come last
  bool drop_expiration = false;
  std::optional<std::string_view> expiration;  // wins over drop_expiration
  std::optional<std::string_view> reply_to;
  std::optional<std::string_view> message_id;
  std::optional<std::uint8_t> delivery_mode;
};

// Appends the edited block. `raw` is one that parse_properties accepts and does not lie in `out`. A header
// table that loses its last entry stays, empty. False, with nothing written, if `raw` turns out to be
// malformed.
bool rewrite(Buffer& out, ByteView raw, const Edit& edit);

}  // namespace millrace::amqp091
