// The target of a request: path segments and query, percent-decoded; a form is written as a query is.
//
// An encoded slash is part of its segment: "/api/queues/%2F/q" is of "api", "queues", "/", "q". Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::management {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// The first of that name; null when there is none.
const std::string* find_in(const Pairs& pairs, std::string_view name) noexcept;

struct Target {
  std::vector<std::string> path;
  Pairs query;  // in the order given

  // The first of that name; null when there is none.
  const std::string* find(std::string_view name) const noexcept;
  bool is_true(std::string_view name) const noexcept;
};

// None: a percent sign without two digits behind it, or a path that does not begin with a slash. A slash at
// the end is ignored.
std::optional<Target> parse_target(std::string_view target);

// "a=1&b=x+y", as queries and forms (application/x-www-form-urlencoded) are written; a plus sign is a space.
// None: a percent sign without two digits behind it.
std::optional<Pairs> parse_pairs(std::string_view text);

// None: a percent sign without two digits behind it.
std::optional<std::string> decode_percent(std::string_view text);

// As a form encodes it: letters, digits and "._-" stay, a space becomes a plus sign, all else %XX; so does a
// tilde, which separates the parts of a binding's properties_key.
std::string quote(std::string_view text);

}  // namespace millrace::management
