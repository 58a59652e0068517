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

  void accept(tcp::acceptor& acceptor) {
    acceptor.async_accept(
        [self = shared_from_this(), &acceptor](const boost::system::error_code& error, tcp::socket socket) {
          self->accepted(acceptor, error, std::move(socket));
        });
  }

  void accepted(tcp::acceptor& acceptor, const boost::system::error_code& error, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
        error == asio::error::no_memory) {
      complain("cannot accept HTTP connections: " + error.message());
      pause.expires_after(kBackOff);
      pause.async_wait([self = shared_from_this(), &acceptor](const boost::system::error_code& cancelled) {
        if (!cancelled && acceptor.is_open()) self->accept(acceptor);
      });
      return;
    }
    if (!error && use->connections >= kMaxConnections) {
      complain("there are " + std::to_string(kMaxConnections) + " HTTP connections: new ones are closed");
    } else if (!error) {
      complained = false;
      std::make_shared<HttpConnection>(std::move(socket), api, use)->begin();
    }
    accept(acceptor);
  }

  void complain(const std::string& text) {
    if (!std::exchange(complained, true)) log(broker::LogLevel::warning, text);
  }

  asio::io_context& context;
  Api& api;
  Log log;
  std::shared_ptr<HttpUse> use;
  std::list<tcp::acceptor> acceptors;
  asio::steady_timer pause;
  bool complained = false;  // once for each time that it was full
};

HttpServer::HttpServer(asio::io_context& context, Api& api, Log log)
    : state_(std::make_shared<State>(context, api, std::move(log))) {}

HttpServer::~HttpServer() = default;

result<void> HttpServer::listen(int socket, bool is_ipv6) {
  boost::system::error_code error;
  tcp::acceptor& acceptor = state_->acceptors.emplace_back(state_->context);
  acceptor.assign(is_ipv6 ? tcp::v6() : tcp::v4(), socket, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(Errc::io_error, "cannot listen for HTTP: " + error.message());
  state_->accept(acceptor);
  return {};
}

void HttpServer::close() {
  boost::system::error_code ignored;
  for (tcp::acceptor& acceptor : state_->acceptors) acceptor.close(ignored);
  state_->pause.cancel();
}

}  // namespace millrace::management
