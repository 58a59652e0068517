// The numbers of AMQP 0-9-1, with RabbitMQ's names for the reply codes.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::amqp091 {

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

inline constexpr std::uint8_t kFrameEnd = 206;
inline constexpr std::size_t kFrameHeaderBytes = 7;                   // type, channel, size
inline constexpr std::size_t kFrameOverhead = kFrameHeaderBytes + 1;  // and the end octet
// The lowest frame_max a peer may ask for. RabbitMQ asks for 8192, which some clients in use stay below.
inline constexpr std::uint32_t kMinFrameMax = 4096;

inline constexpr std::uint16_t kBasicClass = 60;
inline constexpr std::size_t kContentHeaderFixedBytes = 12;  // class, weight, body size
inline constexpr std::size_t kShortTextMax = 255;

// AMQP 0-9-1 §1.1.
enum class ReplyCode : std::uint16_t {
  success = 200,
  content_too_large = 311,
  no_route = 312,
  no_consumers = 313,
  connection_forced = 320,
  invalid_path = 402,
  access_refused = 403,
  not_found = 404,
  resource_locked = 405,
  precondition_failed = 406,
  frame_error = 501,
  syntax_error = 502,
  command_invalid = 503,
  channel_error = 504,
  unexpected_frame = 505,
  resource_error = 506,
  not_allowed = 530,
  not_implemented = 540,
  internal_error = 541,
};

// "NOT_FOUND" and so on, as reply texts begin; "UNKNOWN" for a number that is none of the above.
std::string_view to_string(ReplyCode code) noexcept;

// Whether the error ends the connection rather than only the channel.
bool is_hard(ReplyCode code) noexcept;

}  // namespace millrace::amqp091
