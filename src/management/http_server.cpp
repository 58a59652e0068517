#include "management/http_server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

#include "management/http_connection.hpp"

namespace millrace::management {

namespace asio = boost::asio;
using asio::ip::tcp;

struct HttpServer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& on, Api& its_api, Log its_log)
      : context(on), api(its_api), log(std::move(its_log)), use(std::make_shared<HttpUse>()), pause(on) {}

  struct Door {
    tcp::acceptor acceptor;
    Offer offer;
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
      std::make_shared<HttpConnection>(std::move(socket), api, use, door.offer)->begin();
    }
    accept(door);
  }

  void complain(const std::string& text) {
    if (!std::exchange(complained, true)) log(broker::LogLevel::warning, text);
  }

  asio::io_context& context;
  Api& api;
  Log log;
  std::shared_ptr<HttpUse> use;
  std::list<Door> doors;
  asio::steady_timer pause;
  bool complained = false;  // once for each time that it was full
};

HttpServer::HttpServer(asio::io_context& context, Api& api, Log log)
    : state_(std::make_shared<State>(context, api, std::move(log))) {}

HttpServer::~HttpServer() = default;

result<void> HttpServer::listen(int socket, bool is_ipv6, Offer offer) {
  boost::system::error_code error;
  State::Door& door = state_->doors.emplace_back(State::Door{tcp::acceptor(state_->context), offer});
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
}

}  // namespace millrace::management
