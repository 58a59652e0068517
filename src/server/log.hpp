// The operator's log: lines on standard error, as text or as one JSON object each.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "broker/node.hpp"

namespace millrace::server {

using LogFunction = std::function<void(broker::LogLevel, std::string_view)>;

// What clients have given (names, errors that quote them) as it may stand in a line that people read: no
// line breaks, nothing that a terminal obeys, nothing that turns the text around it. Such characters are
// written out (\x1b, \u202e); what is no UTF-8 becomes U+FFFD.
std::string one_line(std::string_view text);

// Callable from any thread; a line is written by one call, when it is logged: by one_line() as text, as JSON
// by its own escapes. For the journal a line begins with its priority (sd-daemon(3)); one of text has no time
// and level then, which the journal keeps itself.
LogFunction make_log(bool json, broker::LogLevel lowest, bool to_journal = false);

}  // namespace millrace::server
