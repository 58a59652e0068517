// The operator's log: lines on standard error, as text or as one JSON object each.
#pragma once

#include <functional>
#include <string_view>

#include "broker/node.hpp"

namespace millrace::server {

using LogFunction = std::function<void(broker::LogLevel, std::string_view)>;

// Callable from any thread; a line is written by one call, when it is logged. For the journal a line begins
// with its priority (sd-daemon(3)); one of text has no time and level then, which the journal keeps itself.
LogFunction make_log(bool json, broker::LogLevel lowest, bool to_journal = false);

}  // namespace millrace::server
