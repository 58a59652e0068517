// The words of a Command: splitting a line, and putting a call's arguments in. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

// Throws std::invalid_argument for a quote that is not closed.
std::vector<std::string> split_words(std::string_view line);

// Throws detail::BadArguments for a placeholder that the call has no argument for, and for a text that no
// program can be given (a zero byte).
std::vector<std::string> words_for(const std::vector<std::string>& words, const CallData& call);

}  // namespace millrace::tasks
