// A connection to the broker's management HTTP API. Blocking, one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/settings.hpp"

namespace millrace::cli {

struct HttpReply {
  unsigned status = 0;
  bool asks_for_login = false;  // the credentials themselves were refused
  std::string body;
};

class Http {
 public:
  explicit Http(const Settings& settings);
  ~Http();

  // `path` is encoded already and begins with a slash. Connects when there is no connection; a GET that meets
  // one that the broker has closed meanwhile is sent again. Stops with kUnreachable when there is no answer
  // within a minute, or when it cannot be known over TLS who answers. Control characters in `reason` (the
  // header X-Reason) become spaces.
  HttpReply ask(std::string_view method, std::string_view path, std::string body = {},
                std::string_view reason = {});

  // http://host:port or https://host:port
  const std::string& address() const noexcept { return address_; }

 private:
  struct State;
  std::string address_;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::cli
