// Completion scripts, made from the table of verbs. Pure.
#pragma once

#include <span>
#include <string>

#include "cli/verb.hpp"

namespace millrace::cli {

// `serve` are the options of `millrace serve`, which the verbs know nothing of.
std::string bash_completion(std::span<const Option> serve);
std::string zsh_completion(std::span<const Option> serve);
std::string fish_completion(std::span<const Option> serve);

}  // namespace millrace::cli
