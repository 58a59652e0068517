// Writes a message: its method, its content header and its body, cut into BODY frames (AMQP 0-9-1 §4.2.6).
//
// `properties` is a raw property block (see properties.hpp). `frame_max` is the negotiated size of a whole
// frame, 0 for no limit; only bodies are cut by it, since nothing else can be. A body of no bytes has no BODY
// frame.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/assert.hpp"
#include "base/buffer.hpp"
#include "base/output_queue.hpp"
#include "codec/amqp091/methods.hpp"

namespace millrace::amqp091 {

namespace wire {

inline std::size_t content_header_frame_bytes(ByteView properties) noexcept {
  return kFrameOverhead + kContentHeaderFixedBytes + properties.size();
}

inline std::uint8_t* put_content_header_frame(std::uint8_t* at, std::uint16_t channel,
                                              std::uint64_t body_bytes, ByteView properties) noexcept {
  at = put_frame_header(at, FrameType::header, channel,
                        static_cast<std::uint32_t>(kContentHeaderFixedBytes + properties.size()));
  at = put(at, std::uint32_t{kBasicClass} << 16);  // and a weight of nothing
  at = put(at, body_bytes);
  at = put_bytes(at, properties.data(), properties.size());
  *at = kFrameEnd;
  return at + 1;
}

inline std::uint8_t* put_body_frame(std::uint8_t* at, std::uint16_t channel, ByteView part) noexcept {
  at = put_frame_header(at, FrameType::body, channel, static_cast<std::uint32_t>(part.size()));
  at = put_bytes(at, part.data(), part.size());
  *at = kFrameEnd;
  return at + 1;
}

// The most bytes of a body that one frame takes.
inline std::size_t body_frame_max(std::uint32_t frame_max) noexcept {
  if (frame_max == 0) return std::numeric_limits<std::uint32_t>::max() - kFrameOverhead;
  MILLRACE_ASSERT(frame_max > kFrameOverhead, "no frame holds anything");
  return frame_max - kFrameOverhead;
}

}  // namespace wire

inline void write_content_header(Buffer& out, std::uint16_t channel, std::uint64_t body_bytes,
                                 ByteView properties) {
  wire::put_content_header_frame(out.extend(wire::content_header_frame_bytes(properties)), channel,
                                 body_bytes, properties);
}

// The BODY frames of `body`, copied.
void write_body(Buffer& out, std::uint16_t channel, ByteView body, std::uint32_t frame_max);
// The same by reference: parts of OutputQueue::kShareFromBytes and more are not copied; `keep` owns them.
void write_body(OutputQueue& out, std::uint16_t channel, ByteView body, const Ref<const RefCounted>& keep,
                std::uint32_t frame_max);

// Content header and body, to follow a method that was encoded already.
inline void write_content(Buffer& out, std::uint16_t channel, ByteView properties, ByteView body,
                          std::uint32_t frame_max) {
  write_content_header(out, channel, body.size(), properties);
  write_body(out, channel, body, frame_max);
}

// A method with content and the content header that follows it: all of a message but its body, for
// write_body.
template <class Method>
void write_message_header(Buffer& out, std::uint16_t channel, const Method& method, ByteView properties,
                          std::uint64_t body_bytes) {
  static_assert(Method::has_content);
  std::uint8_t* at =
      out.extend(wire::method_frame_bytes(method) + wire::content_header_frame_bytes(properties));
  at = wire::put_method_frame(at, channel, method);
  wire::put_content_header_frame(at, channel, body_bytes, properties);
}

// A whole message: basic::Publish, Deliver, Return or GetOk.
template <class Method>
void write_message(Buffer& out, std::uint16_t channel, const Method& method, ByteView properties,
                   ByteView body, std::uint32_t frame_max) {
  static_assert(Method::has_content);
  if (body.size() > wire::body_frame_max(frame_max)) [[unlikely]] {
    write_message_header(out, channel, method, properties, body.size());
    return write_body(out, channel, body, frame_max);
  }
  const std::size_t bytes = wire::method_frame_bytes(method) + wire::content_header_frame_bytes(properties) +
                            (body.empty() ? 0 : kFrameOverhead + body.size());
  std::uint8_t* at = out.extend(bytes);
  at = wire::put_method_frame(at, channel, method);
  at = wire::put_content_header_frame(at, channel, body.size(), properties);
  if (!body.empty()) wire::put_body_frame(at, channel, body);
}

inline void write_deliver(Buffer& out, std::uint16_t channel, std::string_view consumer_tag,
                          std::uint64_t delivery_tag, bool redelivered, std::string_view exchange,
                          std::string_view routing_key, ByteView properties, ByteView body,
                          std::uint32_t frame_max) {
  write_message(out, channel, basic::Deliver{consumer_tag, delivery_tag, redelivered, exchange, routing_key},
                properties, body, frame_max);
}

inline void write_deliver_header(Buffer& out, std::uint16_t channel, std::string_view consumer_tag,
                                 std::uint64_t delivery_tag, bool redelivered, std::string_view exchange,
                                 std::string_view routing_key, ByteView properties,
                                 std::uint64_t body_bytes) {
  write_message_header(out, channel,
                       basic::Deliver{consumer_tag, delivery_tag, redelivered, exchange, routing_key},
                       properties, body_bytes);
}

inline void write_publish(Buffer& out, std::uint16_t channel, std::string_view exchange,
                          std::string_view routing_key, bool mandatory, ByteView properties, ByteView body,
                          std::uint32_t frame_max) {
  write_message(out, channel, basic::Publish{0, exchange, routing_key, mandatory, false}, properties, body,
                frame_max);
}

}  // namespace millrace::amqp091
