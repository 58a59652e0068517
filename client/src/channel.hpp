// What the channels of a connection have in common: their number, their frames, and messages put together
// from them (AMQP 0-9-1 §4.2.6). Used on the I/O thread only.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "base/buffer.hpp"
#include "client/src/link.hpp"
#include "client/src/settlement.hpp"

namespace millrace::client {

class Core;

// A message that came with a method, all of it.
struct Content {
  ByteView method;  // the payload of the METHOD frame, its id included
  ByteView bytes;   // its properties, raw; behind them its body, if that is small
  std::size_t properties_bytes = 0;
  std::string large_body;

  ByteView properties() const noexcept { return bytes.first(properties_bytes); }
  // Once.
  std::string take_body() {
    const ByteView small = bytes.subspan(properties_bytes);
    return small.empty() ? std::move(large_body) : std::string(as_text(small));
  }
};

class Channel {
 public:
  Channel(Core& core, std::uint16_t number) : core_(core), number_(number) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  std::uint16_t number() const noexcept { return number_; }
  // Before it is opened for the first time.
  void set_number(std::uint16_t number) noexcept { number_ = number; }
  bool is_open() const noexcept { return open_; }
  // Counts openings: what belongs to an earlier one is gone.
  std::uint64_t epoch() const noexcept { return epoch_; }

  // Sends channel.open on the link that is there, and what on_open adds; nothing waits for the answer.
  void open();
  // Throws ClientError when the broker breaks the protocol: the link is lost then.
  void take(const amqp::Frame& frame);
  void link_lost(const std::exception_ptr& why);

  virtual void settle(const Settlement&) {}
  // After all of the settle() calls that came together.
  virtual void settled() {}

 protected:
  virtual void on_open() = 0;
  virtual void on_method(std::uint32_t id, const amqp::Frame& frame) = 0;
  virtual void on_content(std::uint32_t id, Content content) = 0;
  // The broker closed the channel, or the link is lost: is_open() is false. Reopens it if there is a need to.
  virtual void on_closed(const std::exception_ptr& why, bool link_lost) = 0;

  Core& core_;

  Link& link() noexcept;
  template <class Method>
  void send(const Method& method) {
    amqp::encode(link().out(), number_, method);
  }

 private:
  void take_method(const amqp::Frame& frame);
  void take_header(const amqp::Frame& frame);
  void take_body(const amqp::Frame& frame);
  bool is_small() const noexcept;
  void content_complete();

  std::uint16_t number_;
  bool open_ = false;
  std::uint64_t epoch_ = 0;

  enum class Expect : std::uint8_t { method, header, body } expect_ = Expect::method;
  Buffer method_;
  Buffer content_;  // as Content::bytes
  std::size_t properties_bytes_ = 0;
  std::string large_body_;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace millrace::client
