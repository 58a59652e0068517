// The broker's side of a dialogue, on a real socket of the loopback: a test says what it expects and what it
// answers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "codec/amqp091/content.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/methods.hpp"
#include "codec/amqp091/properties.hpp"

namespace millrace::client_test {

namespace amqp = millrace::amqp091;

struct Published {
  std::uint16_t channel = 0;
  std::string exchange;
  std::string routing_key;
  bool mandatory = false;
  std::string properties;  // raw
  std::string body;
  std::string message_id;
  std::string reply_to;
  std::string correlation_id;
};

// How it greets those who connect.
struct Greeting {
  std::string mechanisms = "PLAIN EXTERNAL";
  std::string platform = "a test";
  std::uint16_t channel_max = 2047;
  std::uint32_t frame_max = 131072;
  std::uint16_t heartbeat = 0;
};

// Every wait is bounded by some seconds and ends in an exception, which is a failure of the test.
class ScriptedPeer {
 public:
  ScriptedPeer();
  ~ScriptedPeer();
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  std::string url() const { return "amqp://guest:guest@127.0.0.1:" + std::to_string(port_); }

  // Takes the next connection as it comes.
  void accept();
  // ... and logs it in.
  void accept_client(const Greeting& greeting = {});
  void send_start(const Greeting& greeting = {});
  void hang_up();
  // Whether a client connects within that time.
  bool connects_within(int milliseconds);

  // The next frame but heartbeats; valid until the next.
  amqp::Frame next_frame();
  // The next frame must be that method. Its texts are valid until the next frame.
  template <class Method>
  Method expect(std::uint16_t* channel = nullptr) {
    const amqp::Frame frame = next_frame();
    check_method(frame, Method::id);
    Reader in(frame.payload.subspan(4));
    Method method;
    if (!Method::parse(in, method)) fail("malformed arguments");
    if (channel) *channel = frame.channel;
    return method;
  }
  Published expect_publish();
  void expect_heartbeat();
  // Nothing but heartbeats for that time.
  bool is_silent_for(int milliseconds);

  template <class Method>
  void send(std::uint16_t channel, const Method& method) {
    Buffer out;
    amqp::encode(out, channel, method);
    write(out.view());
  }
  void deliver(std::uint16_t channel, std::string_view consumer_tag, std::uint64_t tag, std::string_view body,
               const amqp::Properties& properties = {}, bool redelivered = false);
  void return_message(const Published& published, std::uint16_t code, std::string_view text);
  void write(ByteView bytes);

  // The usual openings; each returns the channel.
  std::uint16_t expect_publisher();
  std::uint16_t expect_consumer(std::string* tag = nullptr, std::uint16_t* prefetch = nullptr);
  // A channel for calls, opened by the first.
  void expect_channel();
  void answer_declare(const std::string& queue);

 private:
  [[noreturn]] static void fail(const std::string& why);
  void check_method(const amqp::Frame& frame, std::uint32_t id) const;
  bool readable_within(int fd, int milliseconds) const;
  amqp::Frame any_frame();
  void read_some();

  int listener_ = -1;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  Buffer in_;
  std::size_t to_consume_ = 0;
};

}  // namespace millrace::client_test
