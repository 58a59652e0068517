#include "broker_messages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>

#include "broker/value.hpp"

namespace millrace::broker {
namespace {

char filler_of(std::uint64_t id) {
  return static_cast<char>('a' + id % 26);
}

}  // namespace

Ref<Message> make_message(const MessageWish& wish) {
  Arguments headers;
  if (wish.delay_ms > 0) headers.set("x-delay", Value::integer(wish.delay_ms));
  headers.set("x-size", Value::integer(size_of(wish.id)));
  headers.set("x-key", Value::integer(key_of(wish.id)));
  Buffer header;
  put_arguments(header, headers);
  Message::Fields fields;
  fields.durable = wish.durable;
  fields.priority = wish.priority;
  fields.ttl_ms = wish.ttl_ms;
  fields.received_ms = wish.now_ms;
  fields.header = header.view();
  std::string body = std::to_string(wish.id) + " ";
  body.resize(std::max(body.size(), wish.bytes), filler_of(wish.id));
  return Message::create(fields, as_bytes(body));
}

std::uint64_t id_of(const Message& message) {
  const std::string_view body = as_text(message.body());
  std::uint64_t id = 0;
  const char* const end = body.data() + body.size();
  const char* at = std::from_chars(body.data(), end, id).ptr;
  const bool whole = at != end && *at++ == ' ' &&
                     std::all_of(at, end, [filler = filler_of(id)](char c) { return c == filler; });
  EXPECT_TRUE(whole) << "message " << id << " is damaged";
  return id;
}

}  // namespace millrace::broker
