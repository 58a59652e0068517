#include "server/effective_config.hpp"

#include <algorithm>

namespace millrace::server {
namespace {

constexpr std::string_view kRedacted = "******";

std::string redacted(std::string_view value) {
  const std::size_t scheme_end = value.find("://");
  if (scheme_end == std::string_view::npos) return std::string(value);
  const std::size_t host = scheme_end + 3;
  const std::size_t query = value.find('?', host);
  const std::size_t target = std::min(value.find('/', host), query);
  std::string_view authority = value.substr(host, target - host);
  const std::size_t at = authority.rfind('@');
  std::string text(value.substr(0, host));
  if (at != std::string_view::npos) {
    text.append(kRedacted).append("@");
    authority.remove_prefix(at + 1);
  }
  text.append(authority);
  if (target != std::string_view::npos) text.append(value.substr(target, query - target));
  if (query != std::string_view::npos) text.append("?").append(kRedacted);
  return text;
}

std::string quoted(std::string_view text) {
  std::string term = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') term += '\\';
    term += c;
  }
  return term + '"';
}

std::string term_of(const ConfigOption& option, const GivenOption* given) {
  if (given == nullptr) return option.otherwise.empty() ? "undefined" : quoted(option.otherwise);
  if (option.kind != ConfigOption::Kind::list) return quoted(redacted(given->values.back()));
  std::string list;
  for (const std::string& value : given->values) {
    list += list.empty() ? "" : ",";
    list += quoted(redacted(value));
  }
  return "[" + list + "]";
}

}  // namespace

std::string effective_config(const Config& config) {
  std::string text;
  for (const ConfigOption& option : config_options()) {
    const auto given = std::find_if(config.given.begin(), config.given.end(),
                                    [&](const GivenOption& one) { return one.option == option.name; });
    text += text.empty() ? "[{millrace,\n     [" : ",\n      ";
    text.append("{'").append(option.name).append("',");
    text += term_of(option, given == config.given.end() ? nullptr : &*given) + "}";
  }
  return text + "]}]\n";
}

}  // namespace millrace::server
