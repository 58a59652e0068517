// How failures are told to an AMQP 0-9-1 client: the one place where the core's errors become reply codes and
// texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "codec/amqp091/constants.hpp"

namespace millrace::amqp091 {

// A refusal on its way to the client. Hard codes end the connection, soft ones the channel.
struct Fault {
  ReplyCode code = ReplyCode::internal_error;
  std::string text;  // without the code's name
};

ReplyCode reply_code(Errc code) noexcept;
Fault fault_of(const Error& error);

// "NOT_FOUND - no queue 'q' in vhost '/'", at most 255 bytes: a longer one ends in "...".
std::string reply_text(ReplyCode code, std::string_view explanation);

// Why a frame cannot be read, as RabbitMQ words it:
//   type 1, first 16 octets = <<0,10,…>>: {frame_too_large,200000,131064}
// `reason` is the part behind the colon.
std::string frame_error_text(std::uint8_t type, std::string_view payload_start, std::string_view reason);

}  // namespace millrace::amqp091
