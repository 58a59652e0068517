// The broker's refusals in the client's words.
#pragma once

#include <cstdint>
#include <exception>
#include <string_view>

namespace millrace::client {

// `what` was asked; code and text are those of the broker's channel.close or connection.close.
std::exception_ptr reply_error(std::string_view what, std::uint16_t reply_code, std::string_view reply_text);

}  // namespace millrace::client
