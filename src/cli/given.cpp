#include "cli/given.hpp"

#include "base/number.hpp"
#include "cli/stop.hpp"

namespace millrace::cli {

std::optional<std::string> Given::find(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> Given::list(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::uint64_t Given::number(std::string_view name, std::uint64_t otherwise, std::uint64_t most) const {
  const auto text = find(name);
  if (!text) return otherwise;
  const auto value = whole_number<std::uint64_t>(*text);
  if (!value || *value > most) {
    throw Stop(kBadUse, "--" + std::string(name) + " takes a whole number from 0 to " + std::to_string(most) +
                            ", not '" + *text + "'");
  }
  return *value;
}

std::pair<std::string, std::string> split_pair(std::string_view text, std::string_view option) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw Stop(kBadUse, std::string(option) + " takes NAME=VALUE, not '" + std::string(text) + "'");
  }
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

}  // namespace millrace::cli
