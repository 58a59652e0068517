// A message as a program sees it: a body, the properties of AMQP 0-9-1 §4.2.6.1, and headers.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace millrace {

class Field;
using FieldList = std::vector<Field>;
using FieldTable = std::map<std::string, Field, std::less<>>;

// A point in time as AMQP carries it, in whole seconds since 1970.
struct Timestamp {
  std::int64_t seconds = 0;
  friend bool operator==(const Timestamp&, const Timestamp&) = default;
};

// One value of a header or of an argument. Integers of every width become int64.
class Field {
 public:
  using Value =
      std::variant<std::monostate, bool, std::int64_t, double, std::string, Timestamp, FieldList, FieldTable>;

  Field() = default;
  Field(bool value) : value_(value) {}
  Field(int value) : value_(std::int64_t{value}) {}
  Field(std::int64_t value) : value_(value) {}
  Field(double value) : value_(value) {}
  Field(const char* value) : value_(std::string(value)) {}
  Field(std::string_view value) : value_(std::string(value)) {}
  Field(std::string value) : value_(std::move(value)) {}
  Field(Timestamp value) : value_(value) {}
  Field(FieldList value) : value_(std::move(value)) {}
  Field(FieldTable value) : value_(std::move(value)) {}

  const Value& value() const noexcept { return value_; }
  template <class T>
  const T* as() const noexcept {
    return std::get_if<T>(&value_);
  }
  friend bool operator==(const Field&, const Field&) = default;

 private:
  Value value_;
};

// Not an aggregate: g++ 12 destroys a braced aggregate inside a co_await twice, and a message belongs there.
class Message {
 public:
  Message() = default;
  Message(std::string text) : body(std::move(text)) {}
  Message(std::string_view text) : body(text) {}
  Message(const char* text) : body(text) {}

  std::string body;
  std::string content_type;
  std::string content_encoding;
  FieldTable headers;
  bool persistent = true;
  std::uint8_t priority = 0;
  std::string correlation_id;
  std::string reply_to;
  std::chrono::milliseconds expiration{-1};  // negative: never
  std::string message_id;                    // the client gives one to each message that has none
  std::int64_t timestamp = 0;                // seconds since 1970, 0: none
  std::string type;
  std::string user_id;
  std::string app_id;

  // How it is published; not part of what is received.
  bool mandatory = true;                 // no queue to take it is an error rather than a silent loss
  std::chrono::milliseconds timeout{0};  // for the confirm; 0: the client's operation_timeout

  // The header of that name, nullptr when there is none.
  const Field* header(std::string_view name) const noexcept {
    const auto at = headers.find(name);
    return at == headers.end() ? nullptr : &at->second;
  }
};

// Where a message goes: a queue by its name, or an exchange with a routing key.
class Address {
 public:
  Address(std::string queue) : routing_key(std::move(queue)) {}
  Address(std::string_view queue) : routing_key(queue) {}
  Address(const char* queue) : routing_key(queue) {}
  Address(std::string exchange_name, std::string key)
      : exchange(std::move(exchange_name)), routing_key(std::move(key)) {}

  std::string exchange;  // empty: the default exchange, which routes to the queue named by the key
  std::string routing_key;
};

// The broker has confirmed a message (docs/client.md says what that promises).
struct Receipt {
  std::string message_id;
  unsigned attempts = 0;  // how often it was sent; above 1 there may be copies of it, all with this id
};

}  // namespace millrace
