// One connection of the HTTP server; keeps itself alive by what it waits for.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>

#include "management/api.hpp"
#include "management/http_server.hpp"

namespace millrace::management {

// What all connections have in common.
struct HttpUse {
  std::size_t connections = 0;
  std::uint64_t bodies_bytes = 0;
  std::uint64_t answers_bytes = 0;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, Api& api, std::shared_ptr<HttpUse> use, Offer offer);
  ~HttpConnection();

  void begin();

 private:
  using Error = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;

  void read_head(runtime::Milliseconds timeout);
  void on_head(Error error);
  void read_body(const CallRef& call);
  void say_continue(const CallRef& call);
  void take_body(const CallRef& call);
  void answer(Answer&& given);
  void on_answered(Error error);
  void linger(std::size_t left);
  // Before the whole request was read: the rest of it is of no use.
  void refuse(Answer&& given) {
    keep_ = false;
    answer(std::move(given));
  }
  bool comes_from_elsewhere() const;
  void refuse_body(std::uint64_t bytes_max);
  void give_back_body() noexcept;

  boost::beast::tcp_stream stream_;
  Api& api_;
  std::shared_ptr<HttpUse> use_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Response> response_;
  std::string unread_;  // scratch of linger()
  broker::ConnectionInfo from_;
  std::uint64_t body_reserved_ = 0;
  std::uint64_t answer_reserved_ = 0;
  Offer offer_;
  bool keep_ = false;
  bool head_only_ = false;
  bool from_page_ = false;  // by a program that asks its user for the password itself
};

}  // namespace millrace::management
