#include "client/src/server_url.hpp"

#include "millrace/error.hpp"
#include "millrace/options.hpp"

namespace millrace {

ClientOptions::ClientOptions(const std::string& urls) : servers(client::split_urls(urls)) {}

namespace client {

namespace {

constexpr std::string_view kEmbedded = "embedded";

[[noreturn]] void refuse(const std::string& why) {
  throw ClientError(ErrorKind::invalid_argument,
                    "the server's address " + why + "; it is written amqp://user:password@host:port/vhost");
}

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) refuse("has a '%' that is not followed by two hexadecimal digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

void parse_host(std::string_view text, ServerUrl& url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) refuse("has a '[' without its ']'");
    url.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text[0] != ':') refuse("has something else than a port behind ']'");
    if (!text.empty()) port = text.substr(1);
  } else {
    const auto colon = text.find(':');
    if (colon != 0 && !text.empty()) url.host = percent_decoded(text.substr(0, colon));
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
  if (port.empty()) return;
  if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos ||
      std::stoi(std::string(port)) > 65535)
    refuse("has a port that is no number up to 65535");
  url.port = port;
}

}  // namespace

ServerUrl parse_server_url(std::string_view text) {
  ServerUrl url;
  const auto scheme_end = text.find("://");
  if (scheme_end != std::string_view::npos) {
    const std::string_view scheme = text.substr(0, scheme_end);
    if (scheme != "amqp" && scheme != "amqps" && scheme != kEmbedded)
      refuse("begins with '" + std::string(scheme) + "://'");
    url.tls = scheme == "amqps";
    if (url.tls) url.port = "5671";
    url.in_process = scheme == kEmbedded;
    if (url.in_process) url.user = url.password = url.host = "";
    text.remove_prefix(scheme_end + 3);
  }
  // By the letter of RabbitMQ's URI specification "amqp://host/" names a vhost without a name; nobody means
  // that.
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view path = text.substr(slash + 1);
    if (path.find_first_of("/?#") != std::string_view::npos)
      refuse("has a vhost with '/', '?' or '#' in it; write these as %2f, %3f, %23");
    if (!path.empty()) url.vhost = percent_decoded(path);
    text = text.substr(0, slash);
  }
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = text.substr(0, at);
    const auto colon = login.find(':');
    url.user = percent_decoded(login.substr(0, colon));
    if (colon != std::string_view::npos) url.password = percent_decoded(login.substr(colon + 1));
    text.remove_prefix(at + 1);
  }
  if (url.in_process) {
    if (text.empty() || text.find(':') != std::string_view::npos)
      refuse("names no embedded broker: that is embedded://NAME, without a port");
    url.host = percent_decoded(text);
    return url;
  }
  parse_host(text, url);
  return url;
}

std::vector<std::string> split_urls(std::string_view text) {
  std::vector<std::string> urls;
  while (!text.empty()) {
    const auto comma = text.find(',');
    if (comma != 0) urls.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return urls;
}

}  // namespace client
}  // namespace millrace
