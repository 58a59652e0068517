#include <toml++/toml.h>

#include <utility>

#include "net/text_file.hpp"
#include "server/config.hpp"

namespace millrace::server {
namespace {

std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

result<std::vector<std::string>> texts_of(const toml::node& node) {
  std::vector<std::string> texts;
  const Error wanted =
      fail(Errc::invalid_argument, "wants a string, a number, true or false, or a list of such");
  if (const auto* list = node.as_array()) {
    for (const toml::node& element : *list) {
      auto text = scalar_text(element);
      if (!text) return wanted;
      texts.push_back(std::move(*text));
    }
  } else {
    auto text = scalar_text(node);
    if (!text) return wanted;
    texts.push_back(std::move(*text));
  }
  return texts;
}

}  // namespace

result<ConfigValues> file_values(const std::string& path) {
  const auto content = net::read_text_file(path);
  if (!content) return content.error();
  ConfigValues found;
  try {
    const toml::table table = toml::parse(*content, path);
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const std::string source = path + ":" + std::to_string(key.source().begin.line) + ": " + name;
      const ConfigOption* option = find_config_option(name);
      if (option == nullptr) return fail(Errc::invalid_argument, source + ": there is no such option");
      auto texts = texts_of(node);
      if (!texts) return fail(Errc::invalid_argument, source + " " + texts.error().text);
      if (option->kind != ConfigOption::Kind::list && texts->size() != 1) {
        return fail(Errc::invalid_argument, source + ": takes one value");
      }
      found.entries.push_back({name, source, std::move(*texts)});
    }
  } catch (const toml::parse_error& error) {
    return fail(Errc::invalid_argument, path + ":" + std::to_string(error.source().begin.line) + ": " +
                                            std::string(error.description()));
  }
  return found;
}

}  // namespace millrace::server
