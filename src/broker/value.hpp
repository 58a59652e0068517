// Values of arguments and message headers, as the core looks at them: no protocol's encoding, but with the
// word for the type that the client used, because error texts repeat it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/buffer.hpp"
#include "base/reader.hpp"

namespace millrace::broker {

struct Value;
struct Argument;

// Arguments of a declaration or a binding, in the order given.
class Arguments {
 public:
  Arguments() = default;
  explicit Arguments(std::vector<Argument> entries);

  const Value* find(std::string_view key) const noexcept;
  void set(std::string key, Value value);
  bool empty() const noexcept;
  std::size_t size() const noexcept;
  std::vector<Argument>::const_iterator begin() const noexcept;
  std::vector<Argument>::const_iterator end() const noexcept;
  // Equal as sets: order does not matter, numbers compare by value whatever their width.
  friend bool operator==(const Arguments& a, const Arguments& b) noexcept;

 private:
  std::vector<Argument> entries_;
};

struct Value {
  // The AMQP field type octet of the client's encoding ('I' signedint, 'S' longstr, …; see Value::type_name).
  // Other protocols use the octet that comes nearest.
  char type = 'V';
  std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<Value>, Arguments> data;

  static Value boolean(bool value);
  static Value integer(std::int64_t value, char type = 'l');
  static Value real(double value);
  static Value text(std::string value);
  static Value array(std::vector<Value> values);
  static Value table(Arguments values);

  std::optional<std::int64_t> as_integer() const noexcept;  // any integer width; not timestamps
  std::optional<bool> as_boolean() const noexcept;
  const std::string* as_text() const noexcept;  // longstr or binary
  std::string_view type_name() const noexcept;  // "signedint", "longstr", "bool", …
  std::string describe() const;                 // for error texts: 1000, lazy, true

  // Numbers compare by value whatever their width; all else by type class and content.
  friend bool operator==(const Value& a, const Value& b) noexcept;
};

struct Argument {
  std::string key;
  Value value;
};

// Agree with ==: equal arguments hash alike, whatever their order and their numbers' widths.
std::uint64_t hash(const Arguments& arguments) noexcept;
std::uint64_t hash(const Value& value) noexcept;

// Our own binary form, for log records and snapshots. Depth is bounded by kMaxValueDepth (the outermost table
// is depth 1): writing deeper values is a bug of whoever let them in, reading them latches failure.
inline constexpr unsigned kMaxValueDepth = 32;
void put_arguments(Buffer& out, const Arguments& arguments);
Arguments read_arguments(Reader& in);

}  // namespace millrace::broker
