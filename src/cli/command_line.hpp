// From words to a verb and what is given to it, by the tables of verb.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cli/given.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {

struct Chosen {
  const Verb* verb;
  Given given;
};

// Help that was asked for.
struct Help {
  std::string text;
};

// The words behind the program's name. Stops with kBadUse for what cannot be meant, and says what is near.
std::variant<Chosen, Help> read_words(const std::vector<std::string>& words);

// What there is, for `millrace --help`.
std::string overview_text();

}  // namespace millrace::cli
