// Errors as values: result<T> holds a T or an Error and cannot be ignored.
//
// Errors are what the outside may cause: a client's request, a file, a peer. A bug of ours is an assertion.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

// What went wrong, in no protocol's terms; each front-end maps it to its own codes.
enum class Errc : std::uint8_t {
  access_refused,       // the subject may not do this, or its credentials are wrong
  not_found,            // the named object does not exist
  resource_locked,      // an exclusive object of another connection
  precondition_failed,  // inequivalent redeclaration, in use, not empty, a bad argument value
  not_allowed,          // against a rule or a limit that ends the connection
  not_implemented,      // a feature this broker does not offer
  invalid_argument,     // malformed input
  content_too_large,    // a message over the size limit
  resource_error,       // a named bound of the broker is reached
  io_error,             // the operating system refused; the text says what and why
  disk_full,            // no space left; publishers wait, consumers go on
  corrupt,              // stored data fails its checksum below the durable mark
  shutting_down,        // the broker is stopping
  internal_error,       // none of the above
};

std::string_view to_string(Errc code) noexcept;

struct Error {
  Errc code = Errc::internal_error;
  std::string text;  // for people: what was wrong and, where possible, what to do about it
};

[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.text);
}

template <class T>
class [[nodiscard]] result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

inline Error fail(Errc code, std::string text) {
  return Error{code, std::move(text)};
}

}  // namespace millrace
