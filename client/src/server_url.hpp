// One server out of an AMQP URI.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::client {

struct ServerUrl {
  bool tls = false;
  std::string host = "localhost";
  std::string port = "5672";
  std::string user = "guest";
  std::string password = "guest";
  std::string vhost = "/";

  std::string host_and_port() const {
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  }
};

// Throws a ClientError that says what is wrong with it, without its password.
ServerUrl parse_server_url(std::string_view text);

std::vector<std::string> split_urls(std::string_view text);

}  // namespace millrace::client
