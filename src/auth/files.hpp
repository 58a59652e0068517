// What is kept in files for who vouches for users.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace millrace::auth {

// Errors: io_error; the text names the file.
result<std::string> read_whole_file(const std::string& path);
// The same without the end of its line.
result<Secret> read_secret_file(const std::string& path);

}  // namespace millrace::auth
