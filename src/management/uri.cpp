#include "management/uri.hpp"

#include <cstdint>

#include "base/percent.hpp"

namespace millrace::management {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode_percent(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

}  // namespace

std::optional<std::string> decode_percent(std::string_view text) {
  return decode_percent(text, false);
}

const std::string* find_in(const Pairs& pairs, std::string_view name) noexcept {
  for (const auto& [key, value] : pairs) {
    if (key == name) return &value;
  }
  return nullptr;
}

const std::string* Target::find(std::string_view name) const noexcept {
  return find_in(query, name);
}

bool Target::is_true(std::string_view name) const noexcept {
  const std::string* value = find(name);
  return value != nullptr && *value == "true";
}

std::optional<Pairs> parse_pairs(std::string_view text) {
  Pairs pairs;
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = pair.find('=');
    auto name = decode_percent(pair.substr(0, equals), true);
    auto value =
        decode_percent(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    if (!name->empty()) pairs.emplace_back(std::move(*name), std::move(*value));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return pairs;
}

std::optional<Target> parse_target(std::string_view text) {
  if (!text.starts_with('/')) return std::nullopt;
  Target target;
  text = text.substr(0, text.find('#'));
  const std::size_t mark = text.find('?');
  std::string_view path = text.substr(1, mark == std::string_view::npos ? mark : mark - 1);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    auto segment = decode_percent(path.substr(0, slash), false);
    if (!segment) return std::nullopt;
    target.path.push_back(std::move(*segment));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  auto query = parse_pairs(mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1));
  if (!query) return std::nullopt;
  target.query = std::move(*query);
  return target;
}

std::string quote(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (word || c == '.' || c == '_' || c == '-') {
      quoted += c;
    } else if (c == ' ') {
      quoted += '+';
    } else {
      put_percent(quoted, c);
    }
  }
  return quoted;
}

}  // namespace millrace::management
