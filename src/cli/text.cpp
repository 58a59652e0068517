#include "cli/text.hpp"

#include <array>
#include <cstdio>
#include <limits>

#include "base/number.hpp"
#include "base/percent.hpp"
#include "base/utf8.hpp"

namespace millrace::cli {
namespace {

bool steers_terminal(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::size_t character_width(char32_t c) {
  if (c >= 0x0300 && c <= 0x036F) return 0;  // combining marks
  const bool wide =
      (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
      (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
      (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
  return wide ? 2 : 1;
}

template <class... Values>
std::string print(const char* format, Values... values) {
  char text[64];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_character(text, at);
    if (c == kBrokenCharacter) {
      shown += print("\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(text[begin])));
    } else if (!steers_terminal(c)) {
      shown += text.substr(begin, at - begin);
    } else if (c == '\n') {
      shown += "\\n";
    } else if (c == '\t') {
      shown += "\\t";
    } else if (c == '\r') {
      shown += "\\r";
    } else {
      shown +=
          c < 0x80 ? print("\\x%02x", static_cast<unsigned>(c)) : print("\\u{%x}", static_cast<unsigned>(c));
    }
  }
  return shown;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) width += character_width(next_character(text, at));
  return width;
}

std::string cut_to(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t next = at;
    const std::size_t more = character_width(next_character(text, next));
    if (used + more > width - 1) break;
    used += more;
    at = next;
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  put_percent_encoded(encoded, text);
  return encoded;
}

std::string bytes_text(double bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return print(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
}

std::string rate_text(double per_second) {
  if (per_second == 0) return "0/s";
  return print(per_second < 10 ? "%.1f/s" : "%.0f/s", per_second);
}

std::string duration_text(std::uint64_t seconds) {
  const auto n = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  if (seconds < 60) return print("%llu s", n(seconds));
  if (seconds < 3600) return print("%llu min %llu s", n(seconds / 60), n(seconds % 60));
  if (seconds < 86400) return print("%llu h %llu min", n(seconds / 3600), n(seconds / 60 % 60));
  return print("%llu d %llu h", n(seconds / 86400), n(seconds / 3600 % 24));
}

std::optional<std::uint64_t> seconds_in(std::string_view text) {
  constexpr std::string_view kUnits = "smhd";
  constexpr std::array<std::uint64_t, 4> kSeconds = {1, 60, 3600, 86400};
  std::uint64_t each = 1;
  const auto unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  if (unit != std::string_view::npos) {
    each = kSeconds[unit];
    text.remove_suffix(1);
  }
  const auto number = whole_number<std::uint64_t>(text);
  if (!number || *number > std::numeric_limits<std::uint64_t>::max() / each) return std::nullopt;
  return *number * each;
}

std::string latency_text(std::uint64_t nanoseconds) {
  const double ns = static_cast<double>(nanoseconds);
  if (ns < 1e3) return print("%.0f ns", ns);
  if (ns < 1e6) return print("%.1f us", ns / 1e3);
  if (ns < 1e9) return print("%.2f ms", ns / 1e6);
  return print("%.2f s", ns / 1e9);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end != 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace millrace::cli
