#include "protocol/amqp091/errors.hpp"

#include <algorithm>

namespace millrace::amqp091 {

ReplyCode reply_code(Errc code) noexcept {
  switch (code) {
    case Errc::access_refused:
      return ReplyCode::access_refused;
    case Errc::not_found:
      return ReplyCode::not_found;
    case Errc::resource_locked:
      return ReplyCode::resource_locked;
    case Errc::precondition_failed:
    case Errc::invalid_argument:
    case Errc::content_too_large:  // RabbitMQ does not use 311 for messages over its limit
      return ReplyCode::precondition_failed;
    case Errc::not_allowed:
      return ReplyCode::not_allowed;
    case Errc::not_implemented:
      return ReplyCode::not_implemented;
    case Errc::resource_error:
    case Errc::disk_full:
      return ReplyCode::resource_error;
    case Errc::shutting_down:
      return ReplyCode::connection_forced;
    case Errc::io_error:
    case Errc::corrupt:
    case Errc::internal_error:
      return ReplyCode::internal_error;
  }
  return ReplyCode::internal_error;
}

Fault fault_of(const Error& error) {
  return {reply_code(error.code), error.text};
}

std::string reply_text(ReplyCode code, std::string_view explanation) {
  std::string text(to_string(code));
  text.append(" - ").append(explanation);
  if (text.size() > kShortTextMax) text.replace(kShortTextMax - 3, std::string::npos, "...");
  return text;
}

std::string frame_error_text(std::uint8_t type, std::string_view payload_start, std::string_view reason) {
  payload_start = payload_start.substr(0, 16);
  std::string octets;
  const bool printable = !payload_start.empty() && std::all_of(payload_start.begin(), payload_start.end(),
                                                               [](char c) { return c >= 0x20 && c < 0x7f; });
  if (printable) {
    octets.append("\"").append(payload_start).append("\"");
  } else {
    for (const char c : payload_start) {
      if (!octets.empty()) octets += ',';
      octets += std::to_string(static_cast<std::uint8_t>(c));
    }
  }
  return "type " + std::to_string(type) + ", first 16 octets = <<" + octets + ">>: " + std::string(reason);
}

}  // namespace millrace::amqp091
