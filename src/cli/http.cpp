#include "cli/http.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>

#include "base/base64.hpp"
#include "cli/stop.hpp"
#include "cli/text.hpp"
#include "cli/tls.hpp"

namespace millrace::cli {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Error = boost::system::error_code;

constexpr std::chrono::seconds kHttpConnectTimeout{10};
constexpr std::chrono::seconds kAnswerTimeout{60};
constexpr std::uint64_t kMaxAnswerBytes = 1u << 30;

struct Http::State {
  explicit State(const Settings& settings)
      : where(settings.http),
        secure(settings.secure),
        trust(settings.trust),
        certificate(settings.certificate),
        authorization("Basic " + encode_base64(settings.user + ":" + settings.password)) {}

  // Runs one asynchronous operation to its end: only those have timeouts.
  template <class Start>
  Error complete(Start start) {
    Error outcome;
    start([&outcome](const Error& error, auto&&...) { outcome = error; });
    context.restart();
    context.run();
    return outcome;
  }

  Error connect() {
    // Made when it is needed first: its files may not be there.
    if (secure && !tls_context) tls_context.emplace(make_tls_context(trust, certificate));
    Error error;
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(where.host, std::to_string(where.port), error);
    if (error) return error;
    plain.emplace(context);
    plain->expires_after(kHttpConnectTimeout);
    error = complete([&](auto done) {
      plain->async_connect(found, [done](const Error& failed, const tcp::endpoint&) { done(failed); });
    });
    if (error) return close(), error;
    plain->socket().set_option(tcp::no_delay(true), error);
    return secure ? shake_hands() : Error();
  }

  Error shake_hands() {
    tls.emplace(*plain, *tls_context);
    ask_for(tls->native_handle(), where.host, trust);
    const Error error =
        complete([&](auto done) { tls->async_handshake(asio::ssl::stream_base::client, done); });
    if (!error) return {};
    const std::string why = tls_problem(tls->native_handle(), error, where.host);
    close();
    throw Stop(kUnreachable, "cannot reach the broker at https://" + to_text(where) + ": " + why);
  }

  Error exchange(http::request<http::string_body>& request, HttpReply& reply) {
    return secure ? exchange_over(*tls, request, reply) : exchange_over(*plain, request, reply);
  }

  template <class Stream>
  Error exchange_over(Stream& over, http::request<http::string_body>& request, HttpReply& reply) {
    plain->expires_after(kAnswerTimeout);
    if (const Error error = complete([&](auto done) { http::async_write(over, request, done); }))
      return error;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxAnswerBytes);
    if (const Error error = complete([&](auto done) { http::async_read(over, buffer, parser, done); }))
      return error;
    auto& answer = parser.get();
    reply.status = answer.result_int();
    reply.asks_for_login = answer.find(http::field::www_authenticate) != answer.end();
    reply.body = std::move(answer.body());
    if (!answer.keep_alive()) close();
    return {};
  }

  void close() {
    tls.reset();
    plain.reset();
    buffer.clear();
  }

  HostPort where;
  bool secure;
  Trust trust;
  Certificate certificate;
  std::string authorization;
  asio::io_context context{1};
  std::optional<beast::tcp_stream> plain;
  std::optional<asio::ssl::context> tls_context;
  std::optional<asio::ssl::stream<beast::tcp_stream&>> tls;  // over `plain`, when it is not in clear
  beast::flat_buffer buffer;
};

namespace {

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return line;
}

}  // namespace

Http::Http(const Settings& settings)
    : address_((settings.secure ? "https://" : "http://") + to_text(settings.http)),
      state_(std::make_unique<State>(settings)) {}

Http::~Http() = default;

HttpReply Http::ask(std::string_view method, std::string_view path, std::string body,
                    std::string_view reason) {
  State& state = *state_;
  http::request<http::string_body> request;
  request.version(11);
  request.method_string({method.data(), method.size()});
  request.target({path.data(), path.size()});
  request.set(http::field::host, to_text(state.where));
  request.set(http::field::authorization, state.authorization);
  request.set(http::field::user_agent, "millrace");
  if (!reason.empty()) request.set("X-Reason", one_line(reason));
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();

  const bool was_connected = state.plain.has_value();
  HttpReply reply;
  Error error;
  if (!was_connected) error = state.connect();
  if (error) {
    throw Stop(
        kUnreachable,
        "cannot reach the broker at " + address_ + ": " + error.message() +
            "\nIs it running? 'millrace serve' starts one; --http HOST:PORT or MILLRACE_HTTP names another.");
  }
  error = state.exchange(request, reply);
  if (error && was_connected && method == "GET") {
    state.close();
    error = state.connect();
    if (!error) error = state.exchange(request, reply);
  }
  if (error) {
    state.close();
    const std::string why = "no answer from " + address_ + ": " + error.message();
    if (is_about_our_certificate(error))
      throw Stop(kUnreachable,
                 why + "\nA certificate of who asks is wanted there: --cert FILE and --cert-key FILE.");
    throw Stop(kUnreachable,
               why + "\nIs that the management HTTP API? --http HOST:PORT or MILLRACE_HTTP names another.");
  }
  return reply;
}

}  // namespace millrace::cli
