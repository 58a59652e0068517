// Definitions on disk: password hashes are in them.
#pragma once

#include <string>
#include <string_view>

namespace millrace::cli {

// Written whole or not at all, readable by its owner alone. Stops with kBadUse when it cannot be written.
void write_definitions(const std::string& path, std::string_view text);
// Stops with kBadUse for what is no JSON object, before the broker is asked.
void check_definitions(std::string_view text, const std::string& path);

}  // namespace millrace::cli
