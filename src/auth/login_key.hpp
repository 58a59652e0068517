// What a login is remembered by: a keyed MAC of name and password, so that neither can be read out of memory
// that remembers, and no two logins look alike.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::auth {

using LoginKey = std::array<std::uint8_t, 32>;
std::string login_mac(const LoginKey& key, std::string_view user, std::string_view password);

}  // namespace millrace::auth
