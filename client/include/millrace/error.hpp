// What the client reports when something does not work.
//
// An error has a kind, for programs, and a text, for people: what was asked, what the broker answered, and
// what to do about it. Blocking calls and co_await throw a ClientError; callbacks get a Failure.
#pragma once

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace millrace {

enum class ErrorKind : std::uint8_t {
  none,
  not_connected,       // no broker could be reached in time; the text has the reason of the last attempt
  connection_lost,     // the connection broke, and what was asked may or may not have happened
  timed_out,           // no answer in time; what was asked may still happen
  cancelled,           // the caller cancelled; what was asked may still happen
  closed,              // the client or the consumer was closed by this program
  refused_login,       // the broker does not take these credentials, or not for this virtual host
  tls,                 // the TLS handshake failed, or the peer's certificate is not trusted
  protocol,            // the peer does not speak AMQP 0-9-1, or breaks its rules
  access_refused,      // 403: the user has no permission for this object
  not_found,           // 404: there is no such queue, exchange or virtual host
  locked,              // 405: an exclusive object of another connection
  precondition,        // 406: declared otherwise before, not empty, in use, or a bad argument
  not_allowed,         // 530 and its like: against a rule or a limit of the broker
  not_supported,       // this broker cannot do it
  unroutable,          // a mandatory message that no queue took
  rejected,            // the broker refused the message (basic.nack) as often as it was sent
  overloaded,          // more is waiting to be published than the options allow
  consumer_cancelled,  // the broker ended the consumer: its queue was deleted
  would_deadlock,      // a blocking call where it can never return
  invalid_argument,    // refused before anything was sent
  remote,              // the service that was asked failed; the text is its own
  codec,               // a body that its codec cannot read or write
  storage,             // the database of processed ids, or the data directory of an embedded broker
  broker,              // any other error of the broker; the text has its words
};

std::string_view to_string(ErrorKind kind) noexcept;

class ClientError : public std::runtime_error {
 public:
  ClientError(ErrorKind kind, const std::string& text, std::uint16_t reply_code = 0)
      : std::runtime_error(text), kind_(kind), reply_code_(reply_code) {}

  ErrorKind kind() const noexcept { return kind_; }
  // The broker's number (AMQP 0-9-1 §1.1), 0 when the error is not the broker's.
  std::uint16_t reply_code() const noexcept { return reply_code_; }

 private:
  ErrorKind kind_;
  std::uint16_t reply_code_;
};

// What an exception says, for people: without the places in its sources that Boost adds.
std::string text_of(const std::exception& error);

// What a callback takes for the outcome of an operation: `[](millrace::Failure failure, millrace::Receipt)
// {...}`. Made from the std::exception_ptr that Asio's completion signature carries; false when all went
// well.
class Failure {
 public:
  Failure() = default;
  Failure(std::exception_ptr error) noexcept : error_(std::move(error)) {}  // NOLINT: meant to be implicit

  explicit operator bool() const noexcept { return error_ != nullptr; }
  ErrorKind kind() const noexcept;
  std::string text() const;
  const std::exception_ptr& exception() const noexcept { return error_; }

 private:
  std::exception_ptr error_;
};

inline std::exception_ptr make_failure(ErrorKind kind, const std::string& text,
                                       std::uint16_t reply_code = 0) {
  return std::make_exception_ptr(ClientError(kind, text, reply_code));
}

}  // namespace millrace
