// Connections between their accept and their session: whose proxy has yet to say for whom it connected, whose
// TLS handshake is under way. Those of one shard, whose thread pays for the handshakes.
//
// Bounds: kMax at once, further ones are closed as they come; each has the time that a login has. Both are
// logged, at most one line in kLogInterval. Thread: the shard's.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/descriptor.hpp"
#include "broker/connection.hpp"
#include "broker/node.hpp"
#include "net/tls_engine.hpp"
#include "runtime/clock.hpp"
#include "runtime/os/byte_stream.hpp"
#include "runtime/os/shard_loop.hpp"

namespace millrace::server {

class Pump;

// What a connection must do before it has a session.
struct Threshold {
  bool proxied = false;                        // a PROXY header comes first
  std::shared_ptr<const net::TlsContext> tls;  // none: in clear
  net::LoginFrom login_from = net::LoginFrom::common_name;
  bool is_open() const noexcept { return !proxied && tls == nullptr; }
};

class Admissions {
 public:
  using Log = std::function<void(broker::LogLevel, std::string_view)>;
  static constexpr std::size_t kMax = 1000;
  static constexpr runtime::Milliseconds kLogInterval{1000};

  Admissions(Pump& pump, runtime::Milliseconds timeout, Log log);
  ~Admissions();

  // Of a peer that is connected, for whom a place at the pump is reserved: it is given to the pump when it
  // has done what the threshold asks, or closed, and the place given back.
  void admit(Descriptor socket, const sockaddr_storage& peer, Threshold threshold);

 private:
  class Guest;
  void finish(std::uint64_t id, std::unique_ptr<runtime::ByteStream> stream, broker::ConnectionInfo info);
  void refuse(std::uint64_t id, const std::string& why);
  void complain(const std::string& text);

  Pump& pump_;
  runtime::Milliseconds timeout_;
  Log log_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Guest>> guests_;
  std::uint64_t last_id_ = 0;
  std::size_t unsaid_ = 0;  // complaints since the last line
  bool quiet_ = false;      // a line was written within kLogInterval
};

}  // namespace millrace::server
