#include "codec/amqp091/table.hpp"

#include <array>
#include <bit>
#include <charconv>

namespace millrace::amqp091 {

namespace {

constexpr int kCounted = -1;  // four octets of length, then that many
constexpr int kUnknown = -2;

constexpr int width_of(char type) noexcept {
  switch (type) {
    case 'V':
      return 0;
    case 't':
    case 'b':
    case 'B':
      return 1;
    case 's':
    case 'u':
      return 2;
    case 'I':
    case 'i':
    case 'f':
      return 4;
    case 'D':
      return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T':
      return 8;
    case 'S':
    case 'x':
    case 'F':
    case 'A':
      return kCounted;
    default:
      return kUnknown;
  }
}

constexpr std::size_t kDescriptionMax = 255;

template <class T>
void append_number(std::string& out, T value) {
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void append_decimal(std::string& out, ByteView encoded) {
  const unsigned scale = encoded[0];
  std::string digits;
  append_number(digits, load_be<std::uint32_t>(encoded.data() + 1));
  if (scale != 0) {
    if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
    digits.insert(digits.size() - scale, 1, '.');
  }
  out += digits;
}

void append_description(std::string& out, ValueView value, unsigned depth) {
  if (out.size() > kDescriptionMax) return;
  if (const auto integer = value.as_integer()) return append_number(out, *integer);
  if (const auto real = value.as_double()) return append_number(out, *real);
  if (const auto seconds = value.as_timestamp()) return append_number(out, *seconds);
  if (const auto yes = value.as_bool()) return void(out += *yes ? "true" : "false");
  if (const auto text = value.as_text()) return void(out += text->substr(0, kDescriptionMax));
  if (value.type() == 'D') return append_decimal(out, value.encoded());
  if (value.type() == 'V') return void(out += "void");
  if (depth == kMaxTableDepth) return void(out += "...");
  std::string_view separator;
  if (const auto array = value.as_array()) {
    out += '[';
    for (const ValueView& element : *array) {
      if (out.size() > kDescriptionMax) break;
      out += separator;
      append_description(out, element, depth + 1);
      separator = ", ";
    }
    out += ']';
  } else if (const auto table = value.as_table()) {
    out += '{';
    for (const TableEntry& entry : *table) {
      if (out.size() > kDescriptionMax) break;
      out.append(separator).append(entry.key).append(": ");
      append_description(out, entry.value, depth + 1);
      separator = ", ";
    }
    out += '}';
  }
}

}  // namespace

ValueView ValueView::read(Reader& in) noexcept {
  const char type = static_cast<char>(in.u8());
  const int width = width_of(type);
  if (in.failed() || width == kUnknown) return in.fail(), ValueView{};
  if (width >= 0) {
    const ByteView encoded = in.bytes(static_cast<std::size_t>(width));
    return in.failed() ? ValueView{} : ValueView{type, encoded};
  }
  const std::uint8_t* start = in.position();
  in.bytes(in.be<std::uint32_t>());
  return in.failed() ? ValueView{} : ValueView{type, ByteView{start, in.position()}};
}

std::optional<std::int64_t> ValueView::as_integer() const noexcept {
  const std::uint8_t* at = encoded_.data();
  switch (type_) {
    case 'b':
      return static_cast<std::int8_t>(*at);
    case 'B':
      return *at;
    case 's':
      return load_be<std::int16_t>(at);
    case 'u':
      return load_be<std::uint16_t>(at);
    case 'I':
      return load_be<std::int32_t>(at);
    case 'i':
      return load_be<std::uint32_t>(at);
    case 'l':
    case 'L':
      return load_be<std::int64_t>(at);
    default:
      return std::nullopt;
  }
}

std::optional<std::string_view> ValueView::as_text() const noexcept {
  if (type_ != 'S' && type_ != 'x') return std::nullopt;
  return millrace::as_text(content());
}

std::optional<bool> ValueView::as_bool() const noexcept {
  if (type_ != 't') return std::nullopt;
  return encoded_[0] != 0;
}

std::optional<double> ValueView::as_double() const noexcept {
  if (type_ == 'f') return std::bit_cast<float>(load_be<std::uint32_t>(encoded_.data()));
  if (type_ == 'd') return std::bit_cast<double>(load_be<std::uint64_t>(encoded_.data()));
  return std::nullopt;
}

std::optional<std::uint64_t> ValueView::as_timestamp() const noexcept {
  if (type_ != 'T') return std::nullopt;
  return load_be<std::uint64_t>(encoded_.data());
}

std::optional<TableView> ValueView::as_table() const noexcept {
  if (type_ != 'F') return std::nullopt;
  return TableView{content()};
}

std::optional<ArrayView> ValueView::as_array() const noexcept {
  if (type_ != 'A') return std::nullopt;
  return ArrayView{content()};
}

bool valid(TableView table) noexcept {
  struct Level {
    const std::uint8_t* end;
    bool keyed;
  };
  std::array<Level, kMaxTableDepth> levels;
  unsigned depth = 0;
  const std::uint8_t* at = table.bytes.data();
  levels[0] = {at + table.bytes.size(), true};
  for (;;) {
    const Level level = levels[depth];
    const auto left = [&] { return static_cast<std::size_t>(level.end - at); };
    if (at == level.end) {
      if (depth-- == 0) return true;
      continue;
    }
    if (level.keyed) {
      const std::size_t key_bytes = 1 + std::size_t{*at};
      if (left() < key_bytes) return false;
      at += key_bytes;
    }
    if (left() == 0) return false;
    const char type = static_cast<char>(*at++);
    const int width = width_of(type);
    if (width >= 0) {
      if (left() < static_cast<std::size_t>(width)) return false;
      at += width;
      continue;
    }
    if (width == kUnknown || left() < 4) return false;
    const std::size_t bytes = load_be<std::uint32_t>(at);
    at += 4;
    if (left() < bytes) return false;
    if (type == 'S' || type == 'x') {
      at += bytes;
    } else {
      if (++depth == kMaxTableDepth) return false;
      levels[depth] = {at + bytes, type == 'F'};
    }
  }
}

std::optional<ValueView> find(TableView table, std::string_view key) noexcept {
  for (const TableEntry& entry : table) {
    if (entry.key == key) return entry.value;
  }
  return std::nullopt;
}

std::string_view type_name(char type) noexcept {
  switch (type) {
    case 'S':
      return "longstr";
    case 'T':
      return "timestamp";
    case 'b':
      return "byte";
    case 'B':
      return "unsignedbyte";
    case 's':
      return "short";
    case 'u':
      return "unsignedshort";
    case 'I':
      return "signedint";
    case 'i':
      return "unsignedint";
    case 'l':
    case 'L':
      return "long";
    case 'f':
      return "float";
    case 'd':
      return "double";
    case 't':
      return "bool";
    case 'D':
      return "decimal";
    case 'F':
      return "table";
    case 'A':
      return "array";
    case 'x':
      return "binary";
    case 'V':
      return "void";
    default:
      return {};
  }
}

std::string describe(ValueView value) {
  std::string text;
  append_description(text, value, 0);
  return text;
}

}  // namespace millrace::amqp091
