#include "codec/amqp091/content.hpp"

namespace millrace::amqp091 {

void write_body(Buffer& out, std::uint16_t channel, ByteView body, std::uint32_t frame_max) {
  const std::size_t part_max = wire::body_frame_max(frame_max);
  while (!body.empty()) {
    const ByteView part = body.first(std::min(part_max, body.size()));
    wire::put_body_frame(out.extend(kFrameOverhead + part.size()), channel, part);
    body = body.subspan(part.size());
  }
}

void write_body(OutputQueue& out, std::uint16_t channel, ByteView body, const Ref<const RefCounted>& keep,
                std::uint32_t frame_max) {
  const std::size_t part_max = wire::body_frame_max(frame_max);
  while (!body.empty()) {
    const ByteView part = body.first(std::min(part_max, body.size()));
    if (part.size() < OutputQueue::kShareFromBytes) {
      wire::put_body_frame(out.tail().extend(kFrameOverhead + part.size()), channel, part);
    } else {
      wire::put_frame_header(out.tail().extend(kFrameHeaderBytes), FrameType::body, channel,
                             static_cast<std::uint32_t>(part.size()));
      out.append_shared(part, keep);
      out.tail().put_be(kFrameEnd);
    }
    body = body.subspan(part.size());
  }
}

}  // namespace millrace::amqp091
