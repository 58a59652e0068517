// What was typed behind a verb, read by the names that the verb's table gives.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cli {

class Given {
 public:
  void add(std::string name, std::vector<std::string> values) {
    values_.insert_or_assign(std::move(name), std::move(values));
  }

  // Options go by their long name without dashes, arguments by their name in the table.
  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  std::optional<std::string> find(std::string_view name) const;
  // Empty when it was not given.
  std::string text(std::string_view name) const { return find(name).value_or(""); }
  std::vector<std::string> list(std::string_view name) const;
  // Stops with kBadUse for what is no number of the range.
  std::uint64_t number(std::string_view name, std::uint64_t otherwise, std::uint64_t most) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

// "name=value" in two; stops with kBadUse without the equals sign. `option` is what to name then.
std::pair<std::string, std::string> split_pair(std::string_view text, std::string_view option);

}  // namespace millrace::cli
