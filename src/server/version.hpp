#pragma once

namespace millrace::server {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace millrace::server
