// `millrace VERB ...`, and the same program under the name rabbitmqctl.
#pragma once

#include <string>
#include <vector>

#include "cli/settings.hpp"

namespace millrace::cli {

// The exit status (stop.hpp). Prints what is wrong to standard error. `words` are those behind the program's
// name.
int run(const std::vector<std::string>& words, const Environment& environment);

}  // namespace millrace::cli
