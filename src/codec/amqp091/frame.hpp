// Cuts a byte stream into frames, and tells what protocol a new connection speaks. Nothing is copied or
// allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "codec/amqp091/constants.hpp"

namespace millrace::amqp091 {

// AMQP 0-9-1 §4.2.3.
struct Frame {
  FrameType type = FrameType::heartbeat;
  std::uint16_t channel = 0;
  ByteView payload;  // into the bytes received
};

enum class FrameState : std::uint8_t {
  complete,         // `frame` is set; `bytes` are to be consumed
  need_more,        // call again when there are at least `bytes` (more than were given)
  frame_too_large,  // `bytes` is the size of the frame claimed; the stream cannot be read on from here
  bad_frame_end,    // likewise
  bad_type,         // likewise; reported as soon as the type octet is there
};

struct FrameSplit {
  FrameState state = FrameState::need_more;
  std::uint64_t bytes = 0;
  Frame frame;
};

// Looks at the first frame in `received`. `frame_max` is the negotiated size of a whole frame, 0 for no
// limit; as RabbitMQ does, a payload of frame_max itself is let through, because some clients count the
// payload only. A size claim reserves nothing: the caller bounds what it buffers by its own frame_max.
inline FrameSplit split_frame(ByteView received, std::uint32_t frame_max) noexcept {
  FrameSplit split;
  if (received.size() < kFrameHeaderBytes) [[unlikely]] {
    split.bytes = kFrameOverhead;
    if (received.empty()) return split;
  }
  const std::uint8_t* at = received.data();
  const std::uint8_t type = at[0];
  if ((type == 0 || type > 3) && type != 8) [[unlikely]] {
    split.state = FrameState::bad_type;
    return split;
  }
  if (received.size() < kFrameHeaderBytes) [[unlikely]]
    return split;
  const std::uint32_t payload_bytes = load_be<std::uint32_t>(at + 3);
  split.bytes = std::uint64_t{payload_bytes} + kFrameOverhead;
  if (payload_bytes > frame_max && frame_max != 0) [[unlikely]] {
    split.state = FrameState::frame_too_large;
    return split;
  }
  if (received.size() < split.bytes) return split;
  if (at[kFrameHeaderBytes + payload_bytes] != kFrameEnd) [[unlikely]] {
    split.state = FrameState::bad_frame_end;
    return split;
  }
  split.state = FrameState::complete;
  split.frame = {static_cast<FrameType>(type), load_be<std::uint16_t>(at + 1),
                 ByteView{at + kFrameHeaderBytes, payload_bytes}};
  return split;
}

enum class Greeting : std::uint8_t {
  need_more,    // a prefix of one of those below
  amqp091,      // AMQP 0 0 9 1
  amqp09,       // AMQP 1 1 0 9: version 0-9, served as 0-9-1
  amqp10,       // AMQP 0 1 0 0
  amqp10_sasl,  // AMQP 3 1 0 0
  http,         // somebody's browser or probe
  tls,          // a TLS hello on a plain port
  other,
};

inline constexpr std::size_t kGreetingBytes = 8;

// Classifies the first bytes of a connection. The AMQP ones are exactly kGreetingBytes long; `other` is known
// as soon as no answer but it is left, so a peer that sends garbage is not waited for.
Greeting classify_greeting(ByteView received) noexcept;

// What a client sends first, and what a server answers to a greeting it does not serve (§4.2.2).
inline constexpr std::uint8_t kProtocolHeader[kGreetingBytes] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};

}  // namespace millrace::amqp091
