// What an errno is called.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace millrace::runtime {

// "cannot <verb> '<path>': <what the system says>", with the code that fits the errno.
Error system_error(int number, std::string_view verb, std::string_view path);

}  // namespace millrace::runtime
