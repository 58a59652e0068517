// One server out of an AMQP URI, or out of the address of an embedded broker, embedded://NAME, which has the
// same form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::client {

struct ServerUrl {
  bool tls = false;
  bool in_process = false;  // the host is the name of an embedded broker
  std::string host = "localhost";
  std::string port = "5672";
  std::string user = "guest";  // empty in the address of an embedded broker: the program itself
  std::string password = "guest";
  std::string vhost = "/";

  std::string host_and_port() const {
    if (in_process) return "embedded://" + host;
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  }
};

// Throws a ClientError that says what is wrong with it, without its password.
ServerUrl parse_server_url(std::string_view text);

std::vector<std::string> split_urls(std::string_view text);

}  // namespace millrace::client
