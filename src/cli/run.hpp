// `millrace VERB ...`, and the same program under the name rabbitmqctl.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/settings.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {

// The exit status (stop.hpp). Prints what is wrong to standard error. `words` are those behind the program's
// name; `serve_options` are those of `millrace serve`, for completion.
int run(const std::vector<std::string>& words, const Environment& environment,
        std::span<const Option> serve_options);

}  // namespace millrace::cli
