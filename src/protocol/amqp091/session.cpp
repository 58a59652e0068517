// Bytes to frames to methods, and what happens at the end of a turn.
#include "protocol/amqp091/session.hpp"

#include <algorithm>

namespace millrace::amqp091 {

Session::Session(broker::Gate& gate, Transport& transport, const SessionOptions& options,
                 broker::ConnectionInfo info)
    : gate_(&gate),
      transport_(transport),
      output_(transport.output()),
      options_(options),
      info_(std::move(info)),
      body_room_(gate.body_budget(), *this) {
  if (info_.protocol.empty()) info_.protocol = "AMQP 0-9-1";
  close_timer_ = transport_.start_timer(options_.handshake_timeout_ms, [this] {
    close_timer_ = {};
    state_ = State::ended;
    transport_.close_now();
  });
}

Session::~Session() {
  stop_timers();
}

std::string_view Session::state_name(State state) noexcept {
  switch (state) {
    case State::greeting:
      return "pre_init";
    case State::starting:
    case State::authenticating:
      return "starting";
    case State::securing:
      return "securing";
    case State::tuning:
      return "tuning";
    case State::opening:
      return "opening";
    case State::running:
      return "running";
    case State::closing:
    case State::failed:
      return "closing";
    case State::ended:
      return "closed";
  }
  return "closed";
}

std::size_t Session::on_bytes(ByteView received) {
  heard_ = true;
  if (disconnected_) return received.size();
  in_turn_ = true;
  now_ms_ = gate_->wall_ms();
  std::size_t used = 0;
  while (used < received.size() && paused_ == 0) {
    const std::size_t taken = take(received.subspan(used));
    if (taken == 0) break;
    used += taken;
  }
  bytes_received_ += used;
  in_turn_ = false;
  finish_turn();
  return used;
}

std::size_t Session::take(ByteView received) {
  if (state_ == State::ended) return received.size();
  if (state_ == State::greeting) return take_greeting(received);
  if (in_part_ || received[0] == static_cast<std::uint8_t>(FrameType::body)) return take_body(received);
  const FrameSplit split = split_frame(received, frame_max_);
  switch (split.state) {
    case FrameState::complete:
      return take_frame(received, split);
    case FrameState::need_more:
      if (split.bytes > kBufferedFrameMax && received.size() >= kFrameHeaderBytes) {
        unreadable(received, "{frame_too_large," + std::to_string(split.bytes - kFrameOverhead) + "," +
                                 std::to_string(kBufferedFrameMax - kFrameOverhead) + "}");
        return received.size();
      }
      return 0;
    case FrameState::frame_too_large:
      unreadable(received, "{frame_too_large," + std::to_string(split.bytes - kFrameOverhead) + "," +
                               std::to_string(frame_max_ - kFrameOverhead) + "}");
      return received.size();
    case FrameState::bad_frame_end:
      unreadable(received, "{invalid_frame_end_marker," +
                               std::to_string(received[static_cast<std::size_t>(split.bytes) - 1]) + "}");
      return received.size();
    case FrameState::bad_type:
      unreadable(received, "unknown_frame");
      return received.size();
  }
  return 0;
}

std::size_t Session::take_greeting(ByteView received) {
  const Greeting greeting = classify_greeting(received);
  switch (greeting) {
    case Greeting::need_more:
      return 0;
    case Greeting::amqp091:
    case Greeting::amqp09:
      send_start();
      return kGreetingBytes;
    case Greeting::amqp10:
    case Greeting::amqp10_sasl:
    case Greeting::http:
    case Greeting::tls:
    case Greeting::other:
      break;
  }
  out().append(ByteView{kProtocolHeader});
  end();
  return received.size();
}

std::size_t Session::take_frame(ByteView received, const FrameSplit& split) {
  const Frame& frame = split.frame;
  const auto bytes = static_cast<std::size_t>(split.bytes);
  if (frame.type == FrameType::heartbeat) {
    if (frame.channel != 0 && state_ != State::failed) {
      fail_connection(ReplyCode::unexpected_frame,
                      "heartbeat frame on channel " + std::to_string(frame.channel), 0);
    }
    return bytes;
  }
  if (frame.type == FrameType::method) return take_method(frame, bytes, received.subspan(bytes));

  // A HEADER frame.
  if (state_ == State::failed) return bytes;
  Channel* channel = find_channel(frame.channel);
  if (channel != nullptr && channel->state == Channel::State::failed) return bytes;
  if (channel == nullptr || channel->incoming.stage == Incoming::Stage::none) {
    fail_connection(ReplyCode::unexpected_frame, "expected method frame, got non method frame instead", 0);
    return bytes;
  }
  return take_header(*channel, frame.payload) ? bytes : 0;
}

std::size_t Session::take_method(const Frame& frame, std::size_t frame_bytes, ByteView rest) {
  const ByteView payload = frame.payload;
  if (payload.size() < sizeof method_id_) {
    if (state_ != State::failed) fail_connection(ReplyCode::syntax_error, "method frame too short", 0);
    return frame_bytes;
  }
  method_id_ = load_be<std::uint32_t>(payload.data());
  if (frame.channel == 0) {
    take_connection_method(payload);
    return frame_bytes;
  }
  if (state_ == State::failed) return frame_bytes;
  if (state_ != State::running) {
    unexpected_method();
    return frame_bytes;
  }

  Channel* channel = find_channel(frame.channel);
  if (channel == nullptr) {
    if (method_id_ == channel::Open::id) {
      open_channel(frame.channel);
    } else if (method_id_ != channel::CloseOk::id) {
      fail_connection(ReplyCode::channel_error, "expected 'channel.open'", method_id_);
    }
    return frame_bytes;
  }
  if (channel->pending != 0 && !may_follow(*channel, payload)) {
    pause(kWaitsForBroker);
    return 0;
  }
  if (channel->state == Channel::State::failed) {
    if (method_id_ == channel::CloseOk::id) release_number(*channel);
    // Both sides closed at once: the client waits for an answer too, and sends none any more.
    if (method_id_ == channel::Close::id) send(frame.channel, channel::CloseOk{});
    return frame_bytes;
  }
  if (channel->incoming.stage != Incoming::Stage::none) {
    const bool header = channel->incoming.stage == Incoming::Stage::header;
    fail_connection(ReplyCode::unexpected_frame,
                    header ? "expected content header for class 60, got non content header frame instead"
                           : "expected content body, got non content body frame instead",
                    basic::Publish::id);
    return frame_bytes;
  }

  // The two that come a million times a second need no table of methods.
  Reader in(payload.subspan(sizeof method_id_));
  if (method_id_ == basic::Publish::id) {
    if (blocked_) {
      holds_publish_ = true;
      on_blocked(blocked_reason_);
      return 0;
    }
    basic::Publish publish;
    if (basic::Publish::parse(in, publish)) {
      if (!may_publish_now(publish)) return 0;
      return frame_bytes + on_publish(*channel, publish, rest);
    }
    unparsed(Parsed::malformed, method_id_);
    return frame_bytes;
  }
  if (method_id_ == basic::Ack::id) {
    basic::Ack ack;
    if (basic::Ack::parse(in, ack)) {
      on(*channel, ack);
    } else {
      unparsed(Parsed::malformed, method_id_);
    }
    return frame_bytes;
  }

  flush_settlements();  // whatever is asked next sees them
  std::uint32_t id = 0;
  const Parsed parsed = visit_method(payload, id, [&](const auto& method) { on(*channel, method); });
  if (parsed != Parsed::ok) unparsed(parsed, id);
  return frame_bytes;
}

template <class Method>
void Session::on(Channel& channel, const Method&) {
  if constexpr (Method::id == channel::Open::id) {
    refuse(channel, ReplyCode::channel_error, "second 'channel.open' seen");
  } else if constexpr (Method::id == channel::CloseOk::id) {
    // An answer to a close that crossed ours: nothing is left to do.
  } else {
    refuse(channel, ReplyCode::command_invalid, "unimplemented method");
  }
}

void Session::take_connection_method(ByteView payload) {
  if (state_ == State::failed && method_id_ != connection::CloseOk::id &&
      method_id_ != connection::Close::id) {
    return;
  }
  flush_settlements();
  std::uint32_t id = 0;
  const Parsed parsed = visit_method(payload, id, [&](const auto& method) { on0(method); });
  if (parsed != Parsed::ok) unparsed(parsed, id);
}

void Session::unparsed(Parsed parsed, std::uint32_t method_id) {
  if (parsed == Parsed::malformed) {
    const std::string_view name = method_name(method_id);
    fail_connection(ReplyCode::syntax_error, "malformed arguments of " + std::string(name), method_id);
    return;
  }
  fail_connection(
      ReplyCode::not_implemented,
      "unknown method " + std::to_string(method_id >> 16) + "." + std::to_string(method_id & 0xffff),
      method_id);
}

void Session::unreadable(ByteView received, std::string_view reason) {
  if (state_ == State::failed) return end();  // where the peer's close-ok would be is unknown now
  const ByteView payload =
      received.size() > kFrameHeaderBytes ? received.subspan(kFrameHeaderBytes) : ByteView{};
  const std::string text = frame_error_text(
      received[0], as_text(payload.first(std::min<std::size_t>(payload.size(), 16))), reason);
  fail_connection(ReplyCode::frame_error, text, 0);
  end();
}

void Session::pause(PauseReason reason) {
  if (paused_ == 0) transport_.pause_reading();
  paused_ |= reason;
}

void Session::resume(PauseReason reason) {
  if ((paused_ & reason) == 0) return;
  paused_ = static_cast<std::uint8_t>(paused_ & ~reason);
  if (paused_ == 0) {
    silent_ticks_ = 0;  // what arrived meanwhile was not looked at
    transport_.resume_reading();
  }
}

void Session::on_turn_end() {
  if (!in_turn_) finish_turn();
}

void Session::on_written() {
  if (!grants_waiting_ || output_.size() > kOutputHighBytes) return;
  finish_turn();
}

void Session::finish_turn() {
  if (disconnected_) return;
  if (broker_usable()) {
    flush_settlements();
    flush_confirms();
    grant_credit();
    if (sweep_) sweep_channels();
  }
  if (!wrote_) return;
  wrote_ = false;
  sent_ = true;
  transport_.want_flush();
}

}  // namespace millrace::amqp091
