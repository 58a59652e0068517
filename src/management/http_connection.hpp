// One connection of the HTTP server; keeps itself alive by what it waits for.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "management/api.hpp"
#include "management/http_server.hpp"
#include "management/http_stream.hpp"

namespace millrace::management {

// What all connections have in common.
struct HttpUse {
  std::size_t connections = 0;
  std::uint64_t bodies_bytes = 0;
  std::uint64_t answers_bytes = 0;
  std::function<void(const std::string&)> log;  // of what strangers do wrong
};

// Reads ahead while a call waits, to learn that the peer left; a pipelined request that comes so is kept.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // `tls`: none: in clear.
  HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<const net::TlsContext> tls, Api& api,
                 std::shared_ptr<HttpUse> use, Offer offer);
  ~HttpConnection();

  // `proxied`: a PROXY header comes first.
  void begin(bool proxied);

 private:
  struct Stream;
  using Error = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;

  void read_proxy_header();
  void shake_hands();
  void read_head(runtime::Milliseconds timeout);
  void on_head(Error error);
  void read_body(const CallRef& call);
  void say_continue(const CallRef& call);
  void take_body(const CallRef& call);
  // Looks out for the peer's end while it is the broker's turn.
  void watch(Task gone);
  void on_watched(Error error, std::size_t bytes);
  void lose_peer();
  // Once nothing looks out any more: the next request, or the end.
  void go_on();
  std::shared_ptr<AnswerStream> begin_stream(std::string_view content_type, Task gone);
  void write_piece(std::string piece, Task written);
  void end_stream();
  void answer(Answer&& given);
  void on_answered(Error error);
  static void set_common(boost::beast::http::fields& fields);
  void linger(std::size_t left);
  // Before the whole request was read: the rest of it is of no use.
  void refuse(Answer&& given) {
    keep_ = false;
    answer(std::move(given));
  }
  bool comes_from_elsewhere() const;
  void refuse_body(std::uint64_t bytes_max);
  void give_back_body() noexcept;

  HttpStream stream_;
  net::ProxyHeader proxy_header_;
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
  UniqueFunction<void(bool)> sent_;  // of the answer that is being written
  Task gone_;                        // while somebody wants to know
  std::string piece_;                // of a stream, being written
  std::string stream_head_;          // goes before its first piece
  bool streaming_ = false;
  bool watching_ = false;
  bool waits_for_watch_ = false;  // to go on
  bool lost_ = false;             // the peer
  bool keep_ = false;
  bool head_only_ = false;
  bool from_page_ = false;  // by a program that asks its user for the password itself
};

}  // namespace millrace::management
