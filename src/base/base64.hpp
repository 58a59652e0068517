// Base64 with padding (RFC 4648 §4), as Basic credentials and payloads in JSON have it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

std::string encode_base64(std::string_view bytes);
// None: malformed.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace millrace
