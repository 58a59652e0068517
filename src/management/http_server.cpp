#include "management/http_server.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <list>

#include "management/http_connection.hpp"

namespace millrace::management {

namespace asio = boost::asio;
using asio::ip::tcp;

struct HttpServer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& on, Api& its_api, std::span<const net::AddressRange> its_proxies, Log its_log)
      : context(on),
        api(its_api),
        proxies(its_proxies),
        log(std::move(its_log)),
        use(std::make_shared<HttpUse>()),
        pause(on),
        quiet(on) {}

  struct Door {
    tcp::acceptor acceptor;
    Offer offer;
    bool secure;
  };

  void accept(Door& door) {
    door.acceptor.async_accept(
        [self = shared_from_this(), &door](const boost::system::error_code& error, tcp::socket socket) {
          self->accepted(door, error, std::move(socket));
        });
  }

  void accepted(Door& door, const boost::system::error_code& error, tcp::socket socket) {
    if (!door.acceptor.is_open()) return;
    if (error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
        error == asio::error::no_memory) {
      complain("cannot accept HTTP connections: " + error.message());
      pause.expires_after(kBackOff);
      pause.async_wait([self = shared_from_this(), &door](const boost::system::error_code& cancelled) {
        if (!cancelled && door.acceptor.is_open()) self->accept(door);
      });
      return;
    }
    if (!error && use->connections >= kMaxConnections) {
      complain("there are " + std::to_string(kMaxConnections) + " HTTP connections: new ones are closed");
    } else if (!error) {
      complained = false;
      const bool proxied = comes_from_proxy(socket);
      std::make_shared<HttpConnection>(std::move(socket), door.secure ? tls : nullptr, api, use, door.offer)
          ->begin(proxied);
    }
    accept(door);
  }

  void complain(const std::string& text) {
    if (!std::exchange(complained, true)) log(broker::LogLevel::warning, text);
  }

  bool comes_from_proxy(const tcp::socket& socket) const {
    if (proxies.empty()) return false;
    sockaddr_storage peer{};
    boost::system::error_code gone;
    const tcp::endpoint from = socket.remote_endpoint(gone);
    std::memcpy(&peer, from.data(), from.size());
    return !gone && std::any_of(proxies.begin(), proxies.end(),
                                [&](const net::AddressRange& range) { return range.contains(peer); });
  }

  // Strangers cause these lines: a few are as good as all.
  void log_peer(const std::string& text) {
    if (std::exchange(is_quiet, true)) return;
    log(broker::LogLevel::warning, text);
    quiet.expires_after(kLogInterval);
    quiet.async_wait(
        [self = shared_from_this()](const boost::system::error_code&) { self->is_quiet = false; });
  }

  asio::io_context& context;
  Api& api;
  std::span<const net::AddressRange> proxies;
  std::shared_ptr<const net::TlsContext> tls;
  Log log;
  std::shared_ptr<HttpUse> use;
  std::list<Door> doors;
  asio::steady_timer pause;
  asio::steady_timer quiet;
  bool is_quiet = false;
  bool complained = false;  // once for each time that it was full
};

HttpServer::HttpServer(asio::io_context& context, Api& api, std::span<const net::AddressRange> proxies,
                       Log log)
    : state_(std::make_shared<State>(context, api, proxies, std::move(log))) {
  state_->use->log = [state = state_->weak_from_this()](const std::string& text) {
    if (const auto alive = state.lock()) alive->log_peer(text);
  };
}

HttpServer::~HttpServer() = default;

void HttpServer::use_tls(std::shared_ptr<const net::TlsContext> context) {
  state_->tls = std::move(context);
}

result<void> HttpServer::listen(int socket, bool is_ipv6, Offer offer, bool secure) {
  boost::system::error_code error;
  State::Door& door = state_->doors.emplace_back(State::Door{tcp::acceptor(state_->context), offer, secure});
  door.acceptor.assign(is_ipv6 ? tcp::v6() : tcp::v4(), socket, error);
  if (!error) door.acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(Errc::io_error, "cannot listen for HTTP: " + error.message());
  state_->accept(door);
  return {};
}

void HttpServer::close() {
  boost::system::error_code ignored;
  for (State::Door& door : state_->doors) door.acceptor.close(ignored);
  state_->pause.cancel();
  state_->quiet.cancel();
}

}  // namespace millrace::management
