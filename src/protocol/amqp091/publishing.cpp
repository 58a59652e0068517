// basic.publish: from frames to a message, and from the broker's answer to returns and confirms.
#include <algorithm>
#include <charconv>
#include <limits>

#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

namespace {

constexpr std::string_view kReplyTo = "amq.rabbitmq.reply-to";
constexpr std::int64_t kExpirationMaxMs = 4294967295;
constexpr std::uint64_t kTimestampMaxS = std::numeric_limits<std::int64_t>::max() / 1000;

// Why a publisher's expiration is none, as RabbitMQ words it; empty when it is one.
std::string bad_expiration(std::string_view text, std::int64_t& ttl_ms) {
  const char* const end = text.data() + text.size();
  const bool plus = text.starts_with('+');
  const auto [at, error] = std::from_chars(text.data() + (plus ? 1 : 0), end, ttl_ms);
  if (error == std::errc::invalid_argument) return "no_integer";
  if (at != end) return "{leftover_string,\"" + std::string(at, end) + "\"}";
  if (error == std::errc::result_out_of_range || ttl_ms > kExpirationMaxMs) {
    return (text.starts_with('-') ? "{value_negative," : "{value_too_big,") + std::string(text) + "}";
  }
  if (ttl_ms < 0) return "{value_negative," + std::to_string(ttl_ms) + "}";
  return {};
}

}  // namespace

// False: reading is paused until it is known whether the user may, and the frame is to be taken then.
bool Session::may_publish_now(const basic::Publish& method) {
  if (!asks_rights_) return true;
  if (!broker_usable()) return true;
  const bool known = connection_->prepare_publish(method.exchange, method.routing_key, [this] {
    resume(kWaitsForBroker);
    if (!in_turn_) finish_turn();
  });
  if (!known) pause(kWaitsForBroker);
  return known;
}

std::size_t Session::on_publish(Channel& channel, const basic::Publish& method, ByteView rest) {
  if (method.immediate) {
    refuse(channel, ReplyCode::not_implemented, "immediate=true");
    return 0;
  }
  Incoming& incoming = channel.incoming;
  // Most messages lie before us whole: then nothing of them is copied but into the message itself.
  const FrameSplit split = split_frame(rest, frame_max_);
  if (split.state == FrameState::complete && split.frame.type == FrameType::header &&
      split.frame.channel == channel.number && split.frame.payload.size() >= kContentHeaderFixedBytes) {
    const auto header_bytes = static_cast<std::size_t>(split.bytes);
    const auto body_bytes = load_be<std::uint64_t>(split.frame.payload.data() + 4);
    FrameSplit body;
    if (body_bytes != 0) body = split_frame(rest.subspan(header_bytes), frame_max_);
    if (body_bytes == 0 ||
        (body.state == FrameState::complete && body.frame.type == FrameType::body &&
         body.frame.channel == channel.number && body.frame.payload.size() == body_bytes)) {
      ContentHeader& header = header_;
      if (parse_content_header(split.frame.payload, header) == HeaderParsed::ok &&
          body_bytes <= max_message_bytes_) {
        broker::Message::Fields fields;
        incoming.extra_keys.clear();
        if (read_publish(channel, method.exchange, method.routing_key, header, fields, incoming.extra_keys)) {
          publish(channel, broker::Message::create(fields, body.frame.payload), method.mandatory,
                  incoming.extra_keys);
        }
        return header_bytes + static_cast<std::size_t>(body_bytes == 0 ? 0 : body.bytes);
      }
    }
  }
  incoming.stage = Incoming::Stage::header;
  incoming.mandatory = method.mandatory;
  incoming.exchange = method.exchange;
  incoming.routing_key = method.routing_key;
  return 0;
}

// False: there is no room for the body yet; the frame is to be offered again.
bool Session::take_header(Channel& channel, ByteView payload) {
  Incoming& incoming = channel.incoming;
  if (incoming.stage != Incoming::Stage::header) {
    fail_connection(ReplyCode::unexpected_frame, "expected content body, got non content body frame instead",
                    basic::Publish::id);
    return true;
  }
  method_id_ = basic::Publish::id;
  ContentHeader header;
  switch (parse_content_header(payload, header)) {
    case HeaderParsed::ok:
      break;
    case HeaderParsed::wrong_class:
      fail_connection(ReplyCode::unexpected_frame,
                      "expected content header for class 60, got one for class " +
                          std::to_string(header.class_id) + " instead",
                      basic::Publish::id);
      return true;
    case HeaderParsed::malformed:
      fail_connection(ReplyCode::syntax_error, "malformed content header", basic::Publish::id);
      return true;
  }
  if (header.body_bytes > max_message_bytes_) {
    const bool cap = max_message_bytes_ >= kMessageBytesCap;
    refuse(channel, ReplyCode::precondition_failed,
           "message size " + std::to_string(header.body_bytes) + " is larger than " +
               (cap ? "max size " : "configured max size ") + std::to_string(max_message_bytes_));
    return true;
  }
  broker::Message::Fields fields;
  incoming.extra_keys.clear();
  if (!read_publish(channel, incoming.exchange, incoming.routing_key, header, fields, incoming.extra_keys)) {
    return true;
  }
  if (!hold_room(header.body_bytes)) return state_ == State::failed;
  begin_body(channel, fields, header.body_bytes);
  if (header.body_bytes == 0) body_complete(channel);
  return true;
}

// Checks what a publisher may get wrong about properties, and picks out what the core looks at.
bool Session::read_publish(Channel& channel, std::string_view exchange, std::string_view routing_key,
                           const ContentHeader& header, broker::Message::Fields& fields,
                           std::vector<std::string>& extra_keys) {
  const Properties& properties = header.properties;
  fields.origin = broker::Origin::amqp091;
  fields.received_ms = now_ms_;
  fields.exchange = exchange;
  fields.routing_key = routing_key;
  fields.header = header.raw;
  fields.durable = properties.delivery_mode == std::uint8_t{2};
  if (properties.priority) fields.priority = *properties.priority;
  // Some publishers write milliseconds, or anything: a time that cannot be said in milliseconds is none.
  if (properties.timestamp && *properties.timestamp <= kTimestampMaxS) {
    fields.timestamp_ms = static_cast<std::int64_t>(*properties.timestamp) * 1000;
  }
  if (properties.user_id) [[unlikely]] {
    const broker::Subject& subject = connection_->subject();
    if (*properties.user_id != subject.user && !subject.has_tag("impersonator")) {
      refuse(channel, ReplyCode::precondition_failed,
             "user_id property set to '" + std::string(*properties.user_id) +
                 "' but authenticated user was '" + subject.user + "'");
      return false;
    }
  }
  if (properties.expiration) {
    const std::string why = bad_expiration(*properties.expiration, fields.ttl_ms);
    if (!why.empty()) {
      refuse(channel, ReplyCode::precondition_failed,
             "invalid expiration '" + std::string(*properties.expiration) + "': " + why);
      return false;
    }
  }
  bool has_bcc = false;
  if (properties.headers && !read_extra_keys(channel, header, extra_keys, has_bcc)) return false;
  const bool wants_reply = properties.reply_to == kReplyTo;
  if (has_bcc || wants_reply) [[unlikely]]
    return edit_publish(channel, header, has_bcc, wants_reply, fields);
  return true;
}

// CC and BCC: more routing keys (RabbitMQ's sender-selected distribution).
bool Session::read_extra_keys(Channel& channel, const ContentHeader& header,
                              std::vector<std::string>& extra_keys, bool& has_bcc) {
  for (const TableEntry& entry : *header.properties.headers) {
    if (entry.key != "CC" && entry.key != "BCC") continue;
    has_bcc = has_bcc || entry.key == "BCC";
    const auto refuse_type = [&](std::string_view type) {
      refuse(channel, ReplyCode::precondition_failed,
             "invalid message: {unacceptable_type_in_header,{<<\"" + std::string(entry.key) + "\">>," +
                 std::string(type) + "}}");
      return false;
    };
    const auto keys = entry.value.as_array();
    if (!keys) return refuse_type(type_name(entry.value.type()));
    for (const ValueView& key : *keys) {
      if (key.type() != 'S') return refuse_type(type_name(key.type()));
      extra_keys.emplace_back(*key.as_text());
    }
  }
  return true;
}

// BCC is for our eyes only; amq.rabbitmq.reply-to stands for this connection's own address.
bool Session::edit_publish(Channel& channel, const ContentHeader& header, bool has_bcc, bool wants_reply,
                           broker::Message::Fields& fields) {
  constexpr std::string_view kHidden[] = {"BCC"};
  Edit edit;
  if (has_bcc) edit.drop_headers = kHidden;
  if (wants_reply) {
    if (channel.reply_consumer == nullptr || connection_->reply_address().empty()) {
      refuse(channel, ReplyCode::precondition_failed, "fast reply consumer does not exist");
      return false;
    }
    edit.reply_to = connection_->reply_address();
  }
  scratch_.clear();
  if (!rewrite(scratch_, header.raw, edit)) return unparsed(Parsed::malformed, basic::Publish::id), false;
  fields.header = scratch_.view();
  return true;
}

// Whether there is room for one more body. If not, reading is paused until there is, or the connection
// failed.
bool Session::hold_room(std::uint64_t body_bytes) {
  count_body(body_bytes, true);
  const std::uint64_t needed = room_needed();
  count_body(body_bytes, false);
  const result<bool> held = body_room_.hold(needed);
  if (held.has_error()) {
    fail_connection(reply_code(held.error().code), held.error().text, basic::Publish::id);
    return false;
  }
  if (!*held) pause(kWaitsForRoom);
  return *held;
}

void Session::count_body(std::uint64_t body_bytes, bool begins) noexcept {
  std::uint64_t& bytes = body_bytes > kOwnBodyBytes ? long_body_bytes_ : short_body_bytes_;
  bytes = begins ? bytes + body_bytes : bytes - body_bytes;
}

void Session::on_body_room() {
  resume(kWaitsForRoom);
}

void Session::on_body_refused(const Error& why) {
  fail_connection(reply_code(why.code), why.text, basic::Publish::id);
  if (!in_turn_) finish_turn();
}

void Session::begin_body(Channel& channel, const broker::Message::Fields& fields, std::uint64_t bytes) {
  Incoming& incoming = channel.incoming;
  incoming.stage = Incoming::Stage::body;
  incoming.body_bytes = bytes;
  incoming.received_bytes = 0;
  count_body(bytes, true);
  incoming.message = broker::Message::create(fields, static_cast<std::size_t>(bytes));
}

bool Session::append_body(Channel& channel, ByteView part) {
  Incoming& incoming = channel.incoming;
  if (part.size() > incoming.body_bytes - incoming.received_bytes) {
    fail_connection(ReplyCode::frame_error, "content body is longer than its header says",
                    basic::Publish::id);
    return false;
  }
  if (!part.empty()) {
    std::memcpy(incoming.message->body_room() + incoming.received_bytes, part.data(), part.size());
    body_room_.heard();
  }
  incoming.received_bytes += part.size();
  return true;
}

// One BODY frame, or as much of it as is there: bodies are not gathered anywhere but in their message.
std::size_t Session::take_body(ByteView received) {
  std::size_t used = 0;
  if (!in_part_) {
    if (received.size() < kFrameHeaderBytes) return 0;
    const std::uint16_t number = load_be<std::uint16_t>(received.data() + 1);
    const std::uint32_t bytes = load_be<std::uint32_t>(received.data() + 3);
    if (frame_max_ != 0 && bytes > frame_max_) {
      unreadable(received, "{frame_too_large," + std::to_string(bytes) + "," +
                               std::to_string(frame_max_ - kFrameOverhead) + "}");
      return received.size();
    }
    const Channel* channel = find_channel(number);
    const bool swallowed =
        state_ == State::failed || (channel != nullptr && channel->state == Channel::State::failed);
    if (!swallowed && (channel == nullptr || channel->incoming.stage != Incoming::Stage::body)) {
      const bool header = channel != nullptr && channel->incoming.stage == Incoming::Stage::header;
      fail_connection(ReplyCode::unexpected_frame,
                      header ? "expected content header for class 60, got non content header frame instead"
                             : "expected method frame, got non method frame instead",
                      header ? basic::Publish::id : 0);
    }
    in_part_ = true;
    part_channel_ = number;
    part_left_ = bytes;
    used = kFrameHeaderBytes;
  }
  const std::size_t bytes = std::min<std::size_t>(part_left_, received.size() - used);
  // Looked up again each time: the channel may have failed since the frame began.
  const auto current = [this] {
    Channel* channel = find_channel(part_channel_);
    return channel != nullptr && channel->incoming.stage == Incoming::Stage::body ? channel : nullptr;
  };
  if (Channel* channel = current()) append_body(*channel, received.subspan(used, bytes));
  part_left_ -= static_cast<std::uint32_t>(bytes);
  used += bytes;
  if (part_left_ != 0 || used == received.size()) return used;

  in_part_ = false;
  if (received[used] != kFrameEnd) {
    const std::uint8_t frame_start[kFrameHeaderBytes] = {static_cast<std::uint8_t>(FrameType::body)};
    unreadable(frame_start, "{invalid_frame_end_marker," + std::to_string(received[used]) + "}");
    return received.size();
  }
  Channel* channel = current();
  if (channel != nullptr && channel->incoming.received_bytes == channel->incoming.body_bytes) {
    body_complete(*channel);
  }
  return used + 1;
}

void Session::body_complete(Channel& channel) {
  Incoming& incoming = channel.incoming;
  Ref<broker::Message> message = std::move(incoming.message);
  drop_incoming(channel);
  publish(channel, std::move(message), incoming.mandatory, incoming.extra_keys);
}

void Session::drop_incoming(Channel& channel) {
  Incoming& incoming = channel.incoming;
  if (incoming.stage == Incoming::Stage::body) count_body(incoming.body_bytes, false);
  incoming.stage = Incoming::Stage::none;
  incoming.message = nullptr;
  if (body_room_.idle()) return;
  body_room_.keep(room_needed());
  resume(kWaitsForRoom);  // what waited is offered again, if its channel is still there
}

void Session::publish(Channel& channel, Ref<broker::Message> message, bool mandatory,
                      const std::vector<std::string>& extra_keys) {
  method_id_ = basic::Publish::id;
  if (channel.mode == Channel::Mode::tx) [[unlikely]]
    return add_to_transaction(channel, std::move(message), mandatory, extra_keys);
  route(channel, std::move(message), mandatory, extra_keys);
}

// False: refused, and the channel is closed.
bool Session::route(Channel& channel, Ref<broker::Message> message, bool mandatory,
                    const std::vector<std::string>& extra_keys) {
  key_views_.assign(extra_keys.begin(), extra_keys.end());
  Ref<broker::Message> to_return;
  if (mandatory) to_return = message;
  std::uint64_t number = 0;
  broker::Publish request{
      message->exchange(), message->routing_key(), key_views_, std::move(message), 0, mandatory};
  if (channel.mode != Channel::Mode::plain) {
    number = channel.confirms.add();
    request.token = (std::uint64_t{channel.slot} << kNumberBits) | number;
  }
  const result<broker::PublishOutcome> outcome = connection_->publish(request);
  if (!outcome.has_value()) {
    refuse(channel, fault_of(outcome.error()), basic::Publish::id);
    if (number != 0) channel.confirms.settle(number, false);
    return false;
  }
  if (number != 0 && !outcome->pending) {
    channel.confirms.settle(number, true);
    ++channel.counters.confirmed;
    confirm_later(channel);
  }
  ++channel.counters.published;
  if (!outcome->routed) [[unlikely]] {
    ++(mandatory ? channel.counters.returned : channel.counters.unroutable);
    if (mandatory) send_return(channel, *to_return);
  }
  return true;
}

void Session::send_return(Channel& channel, const broker::Message& message) {
  send_content(channel,
               basic::Return{static_cast<std::uint16_t>(ReplyCode::no_route), "NO_ROUTE", message.exchange(),
                             message.routing_key()},
               message, message.header());
}

void Session::on_confirm(std::span<const broker::Confirmation> confirmations) {
  if (broker_closing_) return;
  for (const broker::Confirmation& confirmation : confirmations) {
    const auto slot = static_cast<std::size_t>(confirmation.token >> kNumberBits);
    if (slot >= channels_.size() || channels_[slot] == nullptr) continue;
    Channel& channel = *channels_[slot];
    channel.confirms.settle(confirmation.token & ((std::uint64_t{1} << kNumberBits) - 1),
                            confirmation.accepted);
    if (confirmation.accepted) ++channel.counters.confirmed;
    if (channel.mode == Channel::Mode::tx) {
      if (!confirmation.accepted && channel.tx) channel.tx->refused = true;
      commit_progress(channel);
    } else {
      confirm_later(channel);
    }
    if (channel.state == Channel::State::gone) sweep_ = true;
  }
}

void Session::confirm_later(Channel& channel) {
  if (channel.confirm_dirty || !channel.open()) return;
  channel.confirm_dirty = true;
  dirty_confirms_.push_back(&channel);
}

void Session::flush_confirms() {
  for (Channel* channel : dirty_confirms_) flush_confirms(*channel);
  dirty_confirms_.clear();
}

void Session::flush_confirms(Channel& channel) {
  channel.confirm_dirty = false;
  if (channel.mode != Channel::Mode::confirm || !channel.open()) return;
  channel.confirms.flush([&](std::uint64_t number, bool multiple, bool accepted) {
    if (accepted) {
      send(channel.number, basic::Ack{number, multiple});
    } else {
      send(channel.number, basic::Nack{number, multiple, false});
    }
  });
}

}  // namespace millrace::amqp091
