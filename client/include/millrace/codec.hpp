// Typed messages: a codec turns values of the program into bodies and back.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include "millrace/error.hpp"
#include "millrace/message.hpp"

namespace millrace {

// A codec names the content type it writes, and throws what it likes when a value or a body does not fit:
//
//   struct Csv {
//     static constexpr std::string_view content_type = "text/csv";
//     static std::string encode(const Point& value);
//     static Point decode(std::string_view body, std::type_identity<Point>);
//   };
template <class C, class T>
concept Codec = requires(const T& value, std::string_view body) {
  { std::string_view(C::content_type) } -> std::same_as<std::string_view>;
  { C::encode(value) } -> std::convertible_to<std::string>;
  { C::decode(body, std::type_identity<T>()) } -> std::convertible_to<T>;
};

// A message with the value as its body and the codec's content type.
template <class C, class T>
requires Codec<C, T> Message encode(const T& value) {
  Message message(C::encode(value));
  message.content_type = C::content_type;
  return message;
}

// The value in a message. Throws ErrorKind::codec for a body that the codec cannot read, and for one that
// says it is of another content type.
template <class T, class C>
requires Codec<C, T> T decode(const Message& message) {
  if (!message.content_type.empty() && message.content_type != C::content_type)
    throw ClientError(ErrorKind::codec,
                      "the message is " + message.content_type + ", not " + std::string(C::content_type));
  try {
    return C::decode(message.body, std::type_identity<T>());
  } catch (const std::exception& error) {
    throw ClientError(ErrorKind::codec, "the body of a message cannot be read as " +
                                            std::string(C::content_type) + ": " + text_of(error));
  }
}

}  // namespace millrace
