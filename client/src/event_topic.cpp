#include <optional>

#include "millrace/event_bus.hpp"

namespace millrace {
namespace {

// The words of a topic from some place on. An empty topic has no word.
struct Words {
  std::optional<std::string_view> rest;

  explicit Words(std::string_view text) {
    if (!text.empty()) rest = text;
  }
  [[nodiscard]] bool none() const noexcept { return !rest; }
  [[nodiscard]] std::string_view first() const noexcept { return rest->substr(0, rest->find('.')); }
  void advance() noexcept {
    const std::size_t dot = rest->find('.');
    rest = dot == std::string_view::npos ? std::nullopt : std::optional(rest->substr(dot + 1));
  }
};

}  // namespace

// Where a word does not fit, the last `#` takes one word more and what follows it is tried again. Earlier
// ones need not be tried: whatever they could give up, the last one can take.
bool topic_matches(std::string_view pattern, std::string_view topic) noexcept {
  Words expected(pattern);
  Words given(topic);
  std::optional<Words> after_hash;
  Words taken_by_hash(topic);
  while (!given.none()) {
    if (!expected.none() && expected.first() == "#") {
      expected.advance();
      after_hash = expected;
      taken_by_hash = given;
    } else if (!expected.none() && (expected.first() == "*" || expected.first() == given.first())) {
      expected.advance();
      given.advance();
    } else if (after_hash) {
      expected = *after_hash;
      taken_by_hash.advance();
      given = taken_by_hash;
    } else {
      return false;
    }
  }
  while (!expected.none() && expected.first() == "#") expected.advance();
  return expected.none();
}

}  // namespace millrace
