// Small files that people write: configuration, definitions, keys, passwords.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace millrace::net {

// The whole of it; an empty file is an empty text. Errors: io_error, "cannot read <what>'<path>': <why>".
result<std::string> read_text_file(const std::string& path, std::string_view what = "");
// The same without the end of its line.
result<Secret> read_secret_file(const std::string& path);

}  // namespace millrace::net
