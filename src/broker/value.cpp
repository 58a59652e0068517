#include "broker/value.hpp"

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <charconv>
#include <cmath>
#include <string>

#include "base/assert.hpp"
#include "base/varint.hpp"

namespace millrace::broker {
namespace {

// Error texts are cut to 255 bytes on the wire; nothing is gained by rendering a large table whole.
constexpr std::size_t kDescribedBytes = 1024;

// The types that compare with each other: RabbitMQ's classes int and float; every other type is its own.
char type_class(char type) noexcept {
  switch (type) {
    case 'b':
    case 'B':
    case 's':
    case 'u':
    case 'I':
    case 'i':
    case 'l':
    case 'L':
      return 'l';
    case 'f':
    case 'd':
      return 'd';
    default:
      return type;
  }
}

using Sorted = boost::container::small_vector<const Argument*, 16>;

// Stable, so that repeated keys keep their order: the first one is what find() sees.
Sorted sorted_by_key(const Arguments& arguments) {
  Sorted sorted;
  sorted.reserve(arguments.size());
  for (const Argument& argument : arguments) sorted.push_back(&argument);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Argument* a, const Argument* b) { return a->key < b->key; });
  return sorted;
}

std::uint64_t mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

std::uint64_t hash_text(std::string_view text) noexcept {
  return std::hash<std::string_view>{}(text);
}

void describe_real(double value, std::string& out) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  std::string_view text(digits, static_cast<std::size_t>(end - digits));
  // Erlang's form has a fraction always and no plus sign or leading zero in the exponent: 1.0e5.
  const std::size_t e = text.find('e');
  const std::string_view mantissa = text.substr(0, e);
  out += mantissa;
  if (mantissa.find_first_of(".n") == std::string_view::npos) out += ".0";  // the n of nan and inf
  if (e == std::string_view::npos) return;
  out += 'e';
  std::string_view exponent = text.substr(e + 1);
  if (exponent.front() == '-') out += '-';
  exponent.remove_prefix(1);
  while (exponent.size() > 1 && exponent.front() == '0') exponent.remove_prefix(1);
  out += exponent;
}

void describe_nested(const Value& value, std::string& out);

// Tables and arrays as Erlang prints their terms: [{<<"k">>,longstr,<<"v">>}].
void describe_table(const Arguments& table, std::string& out) {
  out += '[';
  const char* separator = "";
  for (const Argument& argument : table) {
    out.append(separator).append("{<<\"").append(argument.key).append("\">>,");
    out.append(argument.value.type_name()).append(",");
    describe_nested(argument.value, out);
    out += '}';
    separator = ",";
    if (out.size() > kDescribedBytes) break;
  }
  out += ']';
}

void describe_array(const std::vector<Value>& array, std::string& out) {
  out += '[';
  const char* separator = "";
  for (const Value& value : array) {
    out.append(separator).append("{").append(value.type_name()).append(",");
    describe_nested(value, out);
    out += '}';
    separator = ",";
    if (out.size() > kDescribedBytes) break;
  }
  out += ']';
}

void describe_nested(const Value& value, std::string& out) {
  if (const auto* integer = std::get_if<std::int64_t>(&value.data)) {
    out += std::to_string(*integer);
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    describe_real(*real, out);
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    out.append("<<\"").append(*text).append("\">>");
  } else if (const auto* flag = std::get_if<bool>(&value.data)) {
    out += *flag ? "true" : "false";
  } else if (const auto* table = std::get_if<Arguments>(&value.data)) {
    describe_table(*table, out);
  } else if (const auto* array = std::get_if<std::vector<Value>>(&value.data)) {
    describe_array(*array, out);
  } else {
    out += "undefined";
  }
}

// The variant's alternative, as stored: numbers never change.
enum class Kind : std::uint8_t {
  none = 0,
  boolean = 1,
  integer = 2,
  real = 3,
  text = 4,
  array = 5,
  table = 6
};

void put_table(Buffer& out, const Arguments& arguments, unsigned depth);

void put_kind(Buffer& out, const Value& value, Kind kind) {
  std::uint8_t* at = out.extend(2);
  at[0] = static_cast<std::uint8_t>(value.type);
  at[1] = static_cast<std::uint8_t>(kind);
}

void put_value(Buffer& out, const Value& value, unsigned depth) {
  if (const auto* integer = std::get_if<std::int64_t>(&value.data)) {
    put_kind(out, value, Kind::integer);
    out.put_le(*integer);
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    put_kind(out, value, Kind::real);
    out.put_le(*real);
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    put_kind(out, value, Kind::text);
    put_sized_text(out, *text);
  } else if (const auto* flag = std::get_if<bool>(&value.data)) {
    put_kind(out, value, Kind::boolean);
    *out.extend(1) = *flag ? 1 : 0;
  } else if (const auto* table = std::get_if<Arguments>(&value.data)) {
    put_kind(out, value, Kind::table);
    put_table(out, *table, depth + 1);
  } else if (const auto* array = std::get_if<std::vector<Value>>(&value.data)) {
    MILLRACE_ASSERT(depth < kMaxValueDepth, "values too deep are refused where they enter");
    put_kind(out, value, Kind::array);
    put_varint(out, array->size());
    for (const Value& element : *array) put_value(out, element, depth + 1);
  } else {
    put_kind(out, value, Kind::none);
  }
}

void put_table(Buffer& out, const Arguments& arguments, unsigned depth) {
  MILLRACE_ASSERT(depth <= kMaxValueDepth, "values too deep are refused where they enter");
  put_varint(out, arguments.size());
  for (const Argument& argument : arguments) {
    put_sized_text(out, argument.key);
    put_value(out, argument.value, depth);
  }
}

// What the shortest element takes: a count that promises more than the bytes can hold is refused before any
// room is made for it.
constexpr std::size_t kLeastValueBytes = 2;
constexpr std::size_t kLeastArgumentBytes = 3;

std::size_t read_count(Reader& in, std::size_t least_bytes) {
  const std::uint64_t count = in.varint();
  if (count > in.remaining() / least_bytes) return in.fail(), 0;
  return static_cast<std::size_t>(count);
}

Arguments read_table(Reader& in, unsigned depth);

Value read_value(Reader& in, unsigned depth) {
  Value value;
  value.type = static_cast<char>(in.u8());
  switch (static_cast<Kind>(in.u8())) {
    case Kind::none:
      return value;
    case Kind::boolean: {
      const std::uint8_t flag = in.u8();
      if (flag > 1) in.fail();
      value.data = flag == 1;
      return value;
    }
    case Kind::integer:
      value.data = in.le<std::int64_t>();
      return value;
    case Kind::real:
      value.data = in.le<double>();
      return value;
    case Kind::text:
      value.data = std::string(in.sized_text());
      return value;
    case Kind::table:
      value.data = read_table(in, depth + 1);
      return value;
    case Kind::array: {
      if (depth >= kMaxValueDepth) return in.fail(), value;
      const std::size_t count = read_count(in, kLeastValueBytes);
      std::vector<Value> elements;
      for (std::size_t i = 0; i < count && !in.failed(); ++i) elements.push_back(read_value(in, depth + 1));
      value.data = std::move(elements);
      return value;
    }
  }
  in.fail();
  return value;
}

Arguments read_table(Reader& in, unsigned depth) {
  if (depth > kMaxValueDepth) return in.fail(), Arguments{};
  const std::size_t count = read_count(in, kLeastArgumentBytes);
  std::vector<Argument> entries;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    std::string key(in.sized_text());
    entries.push_back({std::move(key), read_value(in, depth)});
  }
  return Arguments(std::move(entries));
}

}  // namespace

Arguments::Arguments(std::vector<Argument> entries) : entries_(std::move(entries)) {}

const Value* Arguments::find(std::string_view key) const noexcept {
  for (const Argument& entry : entries_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

void Arguments::set(std::string key, Value value) {
  for (Argument& entry : entries_) {
    if (entry.key == key) {
      entry.value = std::move(value);
      return;
    }
  }
  entries_.push_back({std::move(key), std::move(value)});
}

bool Arguments::empty() const noexcept {
  return entries_.empty();
}
std::size_t Arguments::size() const noexcept {
  return entries_.size();
}
std::vector<Argument>::const_iterator Arguments::begin() const noexcept {
  return entries_.begin();
}
std::vector<Argument>::const_iterator Arguments::end() const noexcept {
  return entries_.end();
}

bool operator==(const Arguments& a, const Arguments& b) noexcept {
  if (a.size() != b.size()) return false;
  // Sorted rather than looked up one by one: a client chooses how many there are.
  const Sorted left = sorted_by_key(a);
  const Sorted right = sorted_by_key(b);
  return std::equal(left.begin(), left.end(), right.begin(), [](const Argument* x, const Argument* y) {
    return x->key == y->key && x->value == y->value;
  });
}

std::uint64_t hash(const Value& value) noexcept {
  const auto seed = static_cast<std::uint64_t>(type_class(value.type)) << 32;
  if (const auto* integer = std::get_if<std::int64_t>(&value.data)) {
    return mix(seed ^ static_cast<std::uint64_t>(*integer));
  }
  if (const auto* real = std::get_if<double>(&value.data)) {
    return mix(seed ^ (std::isnan(*real) ? 1u : std::hash<double>{}(*real)));
  }
  if (const auto* text = std::get_if<std::string>(&value.data)) return mix(seed ^ hash_text(*text));
  if (const auto* flag = std::get_if<bool>(&value.data)) return mix(seed ^ static_cast<std::uint64_t>(*flag));
  if (const auto* table = std::get_if<Arguments>(&value.data)) return mix(seed ^ hash(*table));
  if (const auto* array = std::get_if<std::vector<Value>>(&value.data)) {
    std::uint64_t sum = seed;
    for (const Value& element : *array) sum = mix(sum ^ hash(element));
    return sum;
  }
  return mix(seed);
}

std::uint64_t hash(const Arguments& arguments) noexcept {
  // A sum, because order does not matter to equality.
  std::uint64_t sum = 0;
  for (const Argument& argument : arguments) sum += mix(hash_text(argument.key) ^ hash(argument.value));
  return sum;
}

Value Value::boolean(bool value) {
  return {'t', value};
}
Value Value::integer(std::int64_t value, char type) {
  return {type, value};
}
Value Value::real(double value) {
  return {'d', value};
}
Value Value::text(std::string value) {
  return {'S', std::move(value)};
}
Value Value::array(std::vector<Value> values) {
  return {'A', std::move(values)};
}
Value Value::table(Arguments values) {
  return {'F', std::move(values)};
}

std::optional<std::int64_t> Value::as_integer() const noexcept {
  const auto* integer = std::get_if<std::int64_t>(&data);
  if (integer == nullptr || type_class(type) != 'l') return std::nullopt;
  return *integer;
}

std::optional<bool> Value::as_boolean() const noexcept {
  const auto* flag = std::get_if<bool>(&data);
  if (flag == nullptr) return std::nullopt;
  return *flag;
}

const std::string* Value::as_text() const noexcept {
  return std::get_if<std::string>(&data);
}

std::string_view Value::type_name() const noexcept {
  switch (type) {
    case 'S':
      return "longstr";
    case 'I':
      return "signedint";
    case 'i':
      return "unsignedint";
    case 'D':
      return "decimal";
    case 'T':
      return "timestamp";
    case 'F':
      return "table";
    case 'A':
      return "array";
    case 'b':
      return "byte";
    case 'B':
      return "unsignedbyte";
    case 'd':
      return "double";
    case 'f':
      return "float";
    case 'l':
    case 'L':
      return "long";
    case 's':
      return "short";
    case 'u':
      return "unsignedshort";
    case 't':
      return "bool";
    case 'x':
      return "binary";
    default:
      return "void";
  }
}

std::string Value::describe() const {
  if (const std::string* text = as_text()) return *text;
  std::string out;
  describe_nested(*this, out);
  return out;
}

bool operator==(const Value& a, const Value& b) noexcept {
  if (type_class(a.type) != type_class(b.type)) return false;
  const auto* x = std::get_if<double>(&a.data);
  const auto* y = std::get_if<double>(&b.data);
  // A binding with a NaN among its arguments must still be found again by unbind.
  if (x != nullptr && y != nullptr && std::isnan(*x) && std::isnan(*y)) return true;
  return a.data == b.data;
}

void put_arguments(Buffer& out, const Arguments& arguments) {
  put_table(out, arguments, 1);
}

Arguments read_arguments(Reader& in) {
  return read_table(in, 1);
}

}  // namespace millrace::broker
