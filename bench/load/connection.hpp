// A client's side of one AMQP 0-9-1 connection with one channel: a non-blocking socket, the codec, nothing
// else.
#pragma once

#include <cstdint>
#include <string>

#include "base/buffer.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/methods.hpp"
#include "load/clock.hpp"
#include "load/failure.hpp"
#include "load/options.hpp"

namespace millrace::load {

namespace amqp = millrace::amqp091;

inline constexpr std::uint16_t kChannel = 1;

// Anything that ends the connection is thrown as a Failure with the broker's words in it.
class Connection {
 public:
  // Connects from `local_address` (empty: any), logs in, opens the vhost and channel 1. Heartbeats are off.
  explicit Connection(const Options& options, const std::string& local_address = {});
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const noexcept { return fd_; }
  std::uint32_t frame_max() const noexcept { return frame_max_; }

  // Sends a method and waits for its answer; `use` sees it while the bytes last.
  template <class Reply, class Method, class Use>
  void call(const Method& method, Use&& use) {
    amqp::encode(out_, kChannel, method);
    await<Reply>(std::forward<Use>(use));
  }
  template <class Reply, class Method>
  void call(const Method& method) {
    call<Reply>(method, [](const Reply&) {});
  }
  // Waits for one answer to what was written to out().
  template <class Reply, class Use>
  void await(Use&& use);

  // For the event loop: frames to send, and sending them as far as the socket takes them (true: all).
  Buffer& out() noexcept { return out_; }
  bool flush();
  // Sends from the caller's own memory; 0 when the socket is full. Only while out() is empty.
  std::size_t send(const std::uint8_t* bytes, std::size_t count);
  // Reads what is there; false when nothing is.
  bool receive();
  // The next whole frame received, if any; valid until the next call of next_frame or receive.
  bool next_frame(amqp::Frame& frame);

  // Gives the buffers' memory back until there is something to read or write again. Only while both are
  // empty.
  void release_buffers() noexcept {
    in_.release();
    out_.release();
    to_consume_ = 0;
  }

  // connection.close and its answer. A message that arrives meanwhile is one too many and a Failure.
  void close();

  // Answers of the broker that no load expects: close, cancel, flow ... throws for all of them but harmless
  // ones.
  [[noreturn]] void refuse(const amqp::Frame& frame) const;
  static bool harmless(const amqp::Frame& frame) noexcept;

 private:
  void connect(const Options& options, const std::string& local_address);
  void hand_shake(const Options& options);
  // Flushes, and waits until there is something to read; Failure after 60 s.
  void wait_readable();

  int fd_ = -1;
  std::uint32_t frame_max_ = 0;
  Buffer in_;
  std::size_t to_consume_ = 0;  // of in_: the frame last given out
  Buffer out_;
};

inline std::uint32_t method_id(const amqp::Frame& frame) noexcept {
  if (frame.type != amqp::FrameType::method || frame.payload.size() < 4) return 0;
  return load_be<std::uint32_t>(frame.payload.data());
}

template <class Method>
Method parse_method(const amqp::Frame& frame) {
  Reader in(frame.payload.subspan(4));
  Method method;
  if (!Method::parse(in, method)) throw Failure(std::string("malformed ") + std::string(Method::name));
  return method;
}

template <class Reply, class Use>
void Connection::await(Use&& use) {
  for (amqp::Frame frame;;) {
    if (!next_frame(frame)) {
      wait_readable();
      receive();
    } else if (method_id(frame) == Reply::id) {
      return use(parse_method<Reply>(frame));
    } else if (!harmless(frame)) {
      refuse(frame);
    }
  }
}

}  // namespace millrace::load
