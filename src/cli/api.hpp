// The management API in JSON: what it refuses becomes a Stop that says what to do.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/http.hpp"
#include "cli/settings.hpp"

namespace millrace::cli {

// /api/a/b, each part percent-encoded.
std::string api_path(std::initializer_list<std::string_view> parts);
// What the API calls the exchange without a name.
std::string_view exchange_in_path(std::string_view name);

class Api {
 public:
  explicit Api(Settings settings) : settings_(std::move(settings)), http_(settings_) {}

  // Each stops with kRefused when the answer is not 2xx, and with kUnreachable without one.
  boost::json::value get(std::string_view path);
  // True when it was new (201).
  bool put(std::string_view path, const boost::json::object& body);
  boost::json::value post(std::string_view path, const boost::json::object& body);
  void post_text(std::string_view path, std::string body);
  void remove(std::string_view path, std::string_view reason = {});
  // Any status; for checks.
  HttpReply ask(std::string_view method, std::string_view path) { return http_.ask(method, path); }

  const Settings& settings() const noexcept { return settings_; }
  const std::string& address() const noexcept { return http_.address(); }

 private:
  HttpReply expect_done(std::string_view method, std::string_view path, std::string body = {},
                        std::string_view reason = {});

  Settings settings_;
  Http http_;
};

}  // namespace millrace::cli
