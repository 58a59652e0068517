// The options about who knows users besides the broker.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "server/config.hpp"

namespace millrace::server {

result<void> set_auth_order(AuthConfig& config, std::span<const std::string> names);
result<void> set_names(std::vector<std::string>& to, std::span<const std::string> values);
result<void> set_token_audience(AuthConfig& config, std::string_view text);
result<void> set_token_keys(AuthConfig& config, std::string_view text);
result<void> set_token_algorithms(AuthConfig& config, std::span<const std::string> names);
result<void> set_private_url(net::Url& to, std::string_view text);
result<void> set_cache_seconds(runtime::Milliseconds& to, std::string_view text);
result<void> set_ldap_url(AuthConfig& config, std::string_view text);
result<void> set_tag_groups(AuthConfig& config, std::span<const std::string> values);

// What no option can say alone.
result<void> check_auth(const AuthConfig& config);
// What follows from other options, where it was not given.
void complete_auth(AuthConfig& config);

}  // namespace millrace::server
