// Completion scripts, made from the table of verbs. Pure.
#pragma once

#include <string>

namespace millrace::cli {

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace millrace::cli
