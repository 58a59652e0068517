#include "codec/amqp091/frame.hpp"

#include <algorithm>
#include <string_view>

namespace millrace::amqp091 {

namespace {

struct Known {
  std::string_view bytes;
  Greeting greeting;
};

using namespace std::string_view_literals;

constexpr Known kKnown[] = {
    {"AMQP\0\0\x09\x01"sv, Greeting::amqp091},
    {"AMQP\x01\x01\0\x09"sv, Greeting::amqp09},
    {"AMQP\0\x01\0\0"sv, Greeting::amqp10},
    {"AMQP\x03\x01\0\0"sv, Greeting::amqp10_sasl},
    {"GET "sv, Greeting::http},
    {"HEAD "sv, Greeting::http},
    {"POST "sv, Greeting::http},
    {"PUT "sv, Greeting::http},
    {"\x16\x03"sv, Greeting::tls},
};

}  // namespace

Greeting classify_greeting(ByteView received) noexcept {
  const std::string_view text = as_text(received);
  bool prefix = false;
  for (const Known& known : kKnown) {
    if (text.starts_with(known.bytes)) return known.greeting;
    prefix = prefix || known.bytes.starts_with(text);
  }
  return prefix ? Greeting::need_more : Greeting::other;
}

}  // namespace millrace::amqp091
