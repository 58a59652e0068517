// Texts for people and for URLs. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

// Names come from whoever declared them: what could steer a terminal or reorder a line (control characters,
// bidirectional overrides, broken UTF-8) is shown as an escape: \n, \x1b, \u{202e}.
std::string printable(std::string_view text);
// Columns of a terminal that a printable text takes; wide characters (CJK, emoji) take two.
std::size_t display_width(std::string_view text);
// At most `width` columns of it, the last a "…" when something was cut.
std::string cut_to(std::string_view text, std::size_t width);

// A path segment of a URL: all but letters, digits and "-._~" becomes %XX.
std::string percent_encode(std::string_view text);

std::string bytes_text(double bytes);              // 1.5 MiB
std::string rate_text(double per_second);          // 12.5/s
std::string duration_text(std::uint64_t seconds);  // 3 d 4 h
// "90", "90s", "15m", "1h", "7d"; nothing for what is none of these, or no 64-bit number of seconds.
std::optional<std::uint64_t> seconds_in(std::string_view text);
std::string latency_text(std::uint64_t nanoseconds);  // 1.23 ms
std::vector<std::string> split(std::string_view text, char separator);

}  // namespace millrace::cli
