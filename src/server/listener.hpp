// A listening socket: bound first, so that a port in use is found before anything is touched; listening once
// the broker is ready; accepting on shard 0's thread, for whichever shard has the fewest connections.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "base/result.hpp"
#include "broker/node.hpp"
#include "net/address_range.hpp"
#include "runtime/os/poller.hpp"
#include "server/address.hpp"
#include "server/admissions.hpp"
#include "server/pump.hpp"

namespace millrace::server {

struct BoundSocket {
  Descriptor socket;
  std::string address;  // with the port that was given, when 0 was asked for
  bool is_ipv6 = false;
};

// All interfaces: one socket for IPv6 and IPv4 where the system has both. A name may stand for several
// addresses: one socket each. Errors: io_error ("cannot listen on 127.0.0.1:5672: Address already in use").
result<std::vector<BoundSocket>> bind_sockets(const HostPort& where);

class Listener final : private runtime::Poller::Handler {
 public:
  using Log = std::function<void(broker::LogLevel, std::string_view)>;

  static constexpr int kAcceptsPerTurn = 64;
  // When the process has no descriptor or memory left for another connection.
  static constexpr runtime::Milliseconds kBackOff{200};

  // `pumps` and `admissions`: of all shards; [0] is of the shard that accepts. Connections beyond
  // `max_connections`, over all listeners, are closed as they come. From peers in `proxies` a PROXY header is
  // required, from others none is understood.
  Listener(BoundSocket bound, std::span<const std::unique_ptr<Pump>> pumps,
           std::span<const std::unique_ptr<Admissions>> admissions, std::size_t max_connections,
           std::span<const net::AddressRange> proxies, Log log);

  // Those who connect from here on speak TLS. Before shard 0's loop starts, or on its thread.
  void use_tls(std::shared_ptr<const net::TlsContext> context, net::LoginFrom login_from);
  bool uses_tls() const noexcept { return tls_ != nullptr; }

  // From here on clients are answered. Before shard 0's loop starts, or on its thread.
  result<void> listen();
  // On shard 0's thread.
  void close();
  // After close(), at the same address. Errors: io_error, it is another's by now. On shard 0's thread.
  result<void> listen_again();
  const std::string& address() const noexcept { return address_; }

 private:
  bool look_out();
  void look_away();
  void on_ready(std::uint32_t events) override;
  void adopt(Descriptor socket, const sockaddr_storage& peer);
  void back_off(int error_number);
  void wait_for_room();

  std::string address_;
  Descriptor socket_;
  std::span<const std::unique_ptr<Pump>> pumps_;
  std::span<const std::unique_ptr<Admissions>> admissions_;
  std::size_t max_connections_;
  std::span<const net::AddressRange> proxies_;
  std::shared_ptr<const net::TlsContext> tls_;
  net::LoginFrom login_from_ = net::LoginFrom::common_name;
  Log log_;
  bool looks_out_ = false;   // is told of those who come
  bool complained_ = false;  // once for each time that it was full
};

}  // namespace millrace::server
