// One physical connection to one server: its stream, login, frames, heartbeats. It does not outlive a
// failure; reconnecting makes a new one.
//
// Used on the client's I/O thread only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "base/buffer.hpp"
#include "client/src/server_url.hpp"
#include "client/src/stream.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/methods.hpp"
#include "millrace/options.hpp"

namespace millrace::client {

namespace amqp = millrace::amqp091;

inline std::uint32_t method_id(const amqp::Frame& frame) noexcept {
  if (frame.type != amqp::FrameType::method || frame.payload.size() < 4) return 0;
  return load_be<std::uint32_t>(frame.payload.data());
}

// Throws a ClientError for arguments that are not those of the method.
template <class Method>
Method parse_method(const amqp::Frame& frame);

[[noreturn]] void throw_malformed(std::string_view method);

// What the broker says of itself in connection.start.
struct ServerProperties {
  std::string product;
  std::string version;
  std::string platform;
  bool millrace = false;
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  class Owner {
   public:
    virtual void on_frame(const amqp::Frame& frame) = 0;    // may throw ClientError: the link is lost
    virtual void on_batch_read() = 0;                       // the frames of one read are through
    virtual void on_written() = 0;                          // there is room to write again
    virtual void on_link_lost(std::exception_ptr why) = 0;  // once, unless close() came first

   protected:
    ~Owner() = default;
  };

  // How much may wait to be written before publishing pauses.
  static constexpr std::size_t kUnsentMax = 1 << 20;

  Link(boost::asio::io_context& context, Owner& owner, const ClientOptions& options);

  // Connects, logs in and opens the virtual host, all within connect_timeout. Throws ClientError.
  boost::asio::awaitable<void> open(ServerUrl url);
  // Begins to read and to watch heartbeats, after open().
  void start();

  // Frames to send go here; flush() sees to it that they leave.
  Buffer& out() noexcept { return out_; }
  void flush();
  bool has_room() const noexcept { return out_.size() < kUnsentMax; }
  bool all_written() const noexcept { return out_.empty() && !writing_; }

  // Ends it without telling the owner.
  void close();

  std::uint32_t frame_max() const noexcept { return frame_max_; }
  std::uint16_t channel_max() const noexcept { return channel_max_; }
  const ServerProperties& server() const noexcept { return server_; }
  const ServerUrl& url() const noexcept { return url_; }

 private:
  using Tcp = boost::asio::ip::tcp;
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  Awaitable<void> connect();
  void connect_in_process();
  Awaitable<void> start_tls();
  Awaitable<void> log_in();
  Awaitable<amqp::Frame> next_frame();
  template <class Method>
  Awaitable<amqp::Frame> expect();
  Awaitable<void> write_out();

  void read();
  void on_read(std::size_t bytes);
  void lose(std::exception_ptr why);
  void tick();
  void take_start(const amqp::connection::Start& start);
  void send_start_ok(const amqp::connection::Start& start);
  void send_tune_ok(const amqp::connection::Tune& tune);
  [[noreturn]] void throw_connect_error(const std::string& what) const;

  boost::asio::io_context& context_;
  Owner& owner_;
  const ClientOptions& options_;
  ServerUrl url_;

  Stream stream_;
  boost::asio::steady_timer timer_;  // the connect timeout, later heartbeats
  bool closed_ = false;
  bool started_ = false;
  bool timed_out_ = false;

  Buffer in_;
  std::size_t to_consume_ = 0;  // of in_: the frame last given out
  Buffer out_;
  Buffer sending_;
  bool writing_ = false;

  std::uint32_t frame_max_ = 0;
  std::uint16_t channel_max_ = 0;
  std::chrono::seconds heartbeat_{0};
  unsigned silent_ticks_ = 0;  // half heartbeats without a byte received
  bool sent_since_tick_ = false;
  ServerProperties server_;
};

template <class Method>
Method parse_method(const amqp::Frame& frame) {
  Reader in(frame.payload.size() >= 4 ? frame.payload.subspan(4) : ByteView{});
  Method method;
  if (!Method::parse(in, method)) throw_malformed(Method::name);
  return method;
}

}  // namespace millrace::client
