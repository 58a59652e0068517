// Requests to an HTTP server that the broker asks or tells something: few, one connection each, never waited
// for.
//
// https is verified: the server's certificate, and that it is of the host in the URL. Bounds: kMaxAtOnce
// requests under way, kMaxWaiting behind them, kMaxReplyBytes; a request ends after its time. Thread: the
// context's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/task.hpp"
#include "net/url.hpp"

namespace millrace::net {

struct HttpReply {
  unsigned status = 0;
  std::string body;
};

class HttpClient {
 public:
  static constexpr std::size_t kMaxAtOnce = 16;
  static constexpr std::size_t kMaxWaiting = 1000;
  static constexpr std::size_t kMaxReplyBytes = 1u << 20;

  // io_error: what the system did not do, in words; also when too many wait.
  using Done = UniqueFunction<void(result<HttpReply>)>;

  // `ca_file`: PEM, who vouches for servers; empty: whom the system believes. Errors: io_error.
  static result<std::unique_ptr<HttpClient>> make(boost::asio::io_context& context,
                                                  const std::string& ca_file);
  ~HttpClient();

  void get(const Url& url, std::chrono::milliseconds timeout, Done done);
  void post(const Url& url, std::string_view media_type, std::string body, std::chrono::milliseconds timeout,
            Done done);

 private:
  struct State;
  explicit HttpClient(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

inline constexpr std::string_view kFormMediaType = "application/x-www-form-urlencoded";
// "name=value" with what must be escaped escaped; an & before it unless it is the first.
void add_field(std::string& form, std::string_view name, std::string_view value);

}  // namespace millrace::net
