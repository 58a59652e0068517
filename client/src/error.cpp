#include "millrace/error.hpp"

#include <boost/system/system_error.hpp>

#include "client/src/reply_error.hpp"

namespace millrace {

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::none:
      return "none";
    case ErrorKind::not_connected:
      return "not connected";
    case ErrorKind::connection_lost:
      return "connection lost";
    case ErrorKind::timed_out:
      return "timed out";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::closed:
      return "closed";
    case ErrorKind::refused_login:
      return "login refused";
    case ErrorKind::tls:
      return "TLS";
    case ErrorKind::protocol:
      return "protocol";
    case ErrorKind::access_refused:
      return "access refused";
    case ErrorKind::not_found:
      return "not found";
    case ErrorKind::locked:
      return "locked";
    case ErrorKind::precondition:
      return "precondition failed";
    case ErrorKind::not_allowed:
      return "not allowed";
    case ErrorKind::not_supported:
      return "not supported";
    case ErrorKind::unroutable:
      return "unroutable";
    case ErrorKind::rejected:
      return "rejected";
    case ErrorKind::overloaded:
      return "overloaded";
    case ErrorKind::consumer_cancelled:
      return "consumer cancelled";
    case ErrorKind::would_deadlock:
      return "would deadlock";
    case ErrorKind::invalid_argument:
      return "invalid argument";
    case ErrorKind::remote:
      return "remote";
    case ErrorKind::codec:
      return "codec";
    case ErrorKind::storage:
      return "storage";
    case ErrorKind::broker:
      return "broker";
  }
  return "unknown";
}

ErrorKind Failure::kind() const noexcept {
  if (!error_) return ErrorKind::none;
  try {
    std::rethrow_exception(error_);
  } catch (const ClientError& error) {
    return error.kind();
  } catch (...) {
    return ErrorKind::cancelled;  // Asio's own: an operation aborted before it began
  }
}

std::string Failure::text() const {
  if (!error_) return {};
  try {
    std::rethrow_exception(error_);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

namespace client {

namespace {

ErrorKind kind_of(std::uint16_t reply_code) {
  switch (reply_code) {
    case 311:
      return ErrorKind::precondition;
    case 402:
      return ErrorKind::not_found;
    case 403:
      return ErrorKind::access_refused;
    case 404:
      return ErrorKind::not_found;
    case 405:
      return ErrorKind::locked;
    case 406:
      return ErrorKind::precondition;
    case 503:
      return ErrorKind::not_supported;  // also what RabbitMQ says of an unknown exchange type
    case 530:
      return ErrorKind::not_allowed;
    case 540:
      return ErrorKind::not_supported;
    default:
      return ErrorKind::broker;
  }
}

std::string_view advice(ErrorKind kind, std::string_view text) {
  if (kind == ErrorKind::access_refused)
    return "; give the user the permission, or log in as a user who has it";
  if (kind == ErrorKind::not_found) return "; declare it first, or check its name and the virtual host";
  if (kind == ErrorKind::locked)
    return "; it belongs to another connection: choose another name, or do not make it exclusive";
  if (kind == ErrorKind::precondition && text.find("inequivalent") != std::string_view::npos)
    return "; it exists with other arguments: declare it as it is, or delete it first";
  if (kind == ErrorKind::precondition && text.find("larger than") != std::string_view::npos)
    return "; send less, or raise the broker's limit for messages";
  if (kind == ErrorKind::not_supported) return "; this broker does not offer it";
  return "";
}

}  // namespace

std::exception_ptr reply_error(std::string_view what, std::uint16_t reply_code, std::string_view reply_text) {
  const ErrorKind kind = kind_of(reply_code);
  std::string text(what);
  if (!text.empty()) text += ": ";
  text.append(reply_text)
      .append(advice(kind, reply_text))
      .append(" (")
      .append(std::to_string(reply_code))
      .append(")");
  return make_failure(kind, text, reply_code);
}

}  // namespace client

std::string text_of(const std::exception& error) {
  const auto* coded = dynamic_cast<const boost::system::system_error*>(&error);
  return coded == nullptr ? error.what() : coded->code().message();
}

}  // namespace millrace
