// HTTP/1.1 for the API: accepts, reads requests, writes answers, and bounds what strangers and slow readers
// may cost.
//
// A request's head is read first, and its credentials verified, before a byte of its body is taken into
// memory. Connections are served one request at a time; a pipelined one waits in the socket.
//
// Bounds, and what happens there: see the constants. Thread: the context's, after construction.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "broker/node.hpp"
#include "net/address_range.hpp"
#include "net/tls_context.hpp"
#include "runtime/clock.hpp"

namespace millrace::management {

class Api;

// What a socket is for.
enum class Offer : std::uint8_t {
  api,      // all, to those who log in
  metrics,  // /metrics alone, to anybody, as RabbitMQ's plug-in for Prometheus
};

class HttpServer {
 public:
  using Log = std::function<void(broker::LogLevel, std::string_view)>;

  // Further ones are closed as they come.
  static constexpr std::size_t kMaxConnections = 512;
  // A longer head is answered 431.
  static constexpr std::uint32_t kMaxHeadBytes = 16 * 1024;
  // A longer body is answered 413. RabbitMQ's bound as well.
  static constexpr std::uint64_t kMaxBodyBytes = 20u << 20;
  // Likewise where neither a message nor definitions are sent: JSON takes ten times its length in memory.
  static constexpr std::uint64_t kMaxSmallBodyBytes = 1u << 20;
  // Likewise of those who are not known yet (Door::stranger).
  static constexpr std::uint64_t kMaxStrangersBodyBytes = 16 * 1024;
  // Bodies being read or worked on, all connections together: beyond, 503.
  static constexpr std::uint64_t kMaxBodiesBytes = 64u << 20;
  // Answers not yet taken by their readers, all connections together: beyond, 503.
  static constexpr std::uint64_t kMaxAnswersBytes = 128u << 20;
  // For the first head of a connection to be complete: nobody holds one of the few places by saying nothing.
  static constexpr runtime::Milliseconds kFirstHeadTimeout{10'000};
  // Between requests, and for a head to be complete.
  static constexpr runtime::Milliseconds kHeadTimeout{60'000};
  // For a body to come, and for an answer to be taken, whole; then the connection is closed.
  static constexpr runtime::Milliseconds kBodyTimeout{60'000};
  static constexpr runtime::Milliseconds kAnswerTimeout{60'000};
  // How long, and for how much, a peer that was refused is listened to so that it may read why.
  static constexpr runtime::Milliseconds kLinger{2'000};
  static constexpr std::size_t kLingerBytes = 4u << 20;
  // When the process has no descriptor left for another connection.
  static constexpr runtime::Milliseconds kBackOff{200};

  // Lines about what strangers do wrong, at most one in this time.
  static constexpr runtime::Milliseconds kLogInterval{1000};

  // From peers in `proxies` a PROXY header is required, from others none is understood.
  HttpServer(boost::asio::io_context& context, Api& api, std::span<const net::AddressRange> proxies, Log log);
  ~HttpServer();

  // A bound stream socket, which it owns from here on. Whoever connects to it may ask for what is offered.
  // `secure`: they speak TLS. Errors: io_error.
  result<void> listen(int socket, bool is_ipv6, Offer offer, bool secure);
  // For those who connect to a secure socket from here on.
  void use_tls(std::shared_ptr<const net::TlsContext> context);
  // Takes nobody in any more.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace millrace::management
