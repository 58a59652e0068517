#include "client/src/channel.hpp"

#include "client/src/core.hpp"
#include "client/src/reply_error.hpp"
#include "codec/amqp091/properties.hpp"
#include "millrace/detail/recycled.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

namespace {

// A claim of size reserves no more than this before bytes have come.
constexpr std::uint64_t kReserveMax = 1 << 20;

[[noreturn]] void unexpected(const std::string& what) {
  throw ClientError(ErrorKind::protocol, "the broker sent " + what + " where AMQP 0-9-1 has no place for it");
}

}  // namespace

Link& Channel::link() noexcept {
  return core_.link();
}

void Channel::open() {
  open_ = true;
  ++epoch_;
  expect_ = Expect::method;
  send(amqp::channel::Open{});
  on_open();
}

void Channel::take(const amqp::Frame& frame) {
  switch (frame.type) {
    case amqp::FrameType::method:
      return take_method(frame);
    case amqp::FrameType::header:
      return take_header(frame);
    case amqp::FrameType::body:
      return take_body(frame);
    case amqp::FrameType::heartbeat:
      unexpected("a heartbeat on a channel");
  }
}

void Channel::take_method(const amqp::Frame& frame) {
  if (expect_ != Expect::method) unexpected("a method inside a message");
  const std::uint32_t id = method_id(frame);
  switch (id) {
    case amqp::basic::Deliver::id:
    case amqp::basic::Return::id:
    case amqp::basic::GetOk::id:
      method_.clear();
      method_.append(frame.payload);
      expect_ = Expect::header;
      return;
    case amqp::channel::OpenOk::id:
      return;
    case amqp::channel::Flow::id: {
      const auto flow = parse_method<amqp::channel::Flow>(frame);
      send(amqp::channel::FlowOk{flow.active});
      return on_method(id, frame);
    }
    case amqp::channel::Close::id: {
      const auto close = parse_method<amqp::channel::Close>(frame);
      send(amqp::channel::CloseOk{});
      open_ = false;
      const auto method = static_cast<std::uint32_t>(close.class_id) << 16 | close.method_id;
      const std::string what =
          method == 0 ? "the broker closed a channel" : std::string(amqp::method_name(method));
      return on_closed(reply_error(what, close.reply_code, close.reply_text), false);
    }
    default:
      return on_method(id, frame);
  }
}

void Channel::take_header(const amqp::Frame& frame) {
  if (expect_ != Expect::header) unexpected("a content header");
  amqp::ContentHeader header;
  if (amqp::parse_content_header(frame.payload, header) != amqp::HeaderParsed::ok)
    unexpected("a malformed content header");
  content_.clear();
  content_.append(header.raw);
  properties_bytes_ = content_.size();
  body_bytes_ = header.body_bytes;
  large_body_.clear();
  if (!is_small()) large_body_.reserve(static_cast<std::size_t>(std::min(body_bytes_, kReserveMax)));
  expect_ = Expect::body;
  if (body_bytes_ == 0) content_complete();
}

void Channel::take_body(const amqp::Frame& frame) {
  if (expect_ != Expect::body) unexpected("a body");
  if (is_small())
    content_.append(frame.payload);
  else
    large_body_.append(as_text(frame.payload));
  const std::size_t arrived = content_.size() - properties_bytes_ + large_body_.size();
  if (arrived > body_bytes_) unexpected("a body longer than its header says");
  if (arrived == body_bytes_) content_complete();
}

// Together with its properties it fits memory that is recycled.
bool Channel::is_small() const noexcept {
  return properties_bytes_ < detail::kRecycledLargest &&
         body_bytes_ <= detail::kRecycledLargest - properties_bytes_;
}

void Channel::content_complete() {
  expect_ = Expect::method;
  const std::uint32_t id = load_be<std::uint32_t>(method_.data());
  on_content(id, Content{method_.view(), content_.view(), properties_bytes_, std::move(large_body_)});
  large_body_ = {};
}

void Channel::link_lost(const std::exception_ptr& why) {
  open_ = false;
  on_closed(why, true);
}

}  // namespace millrace::client
