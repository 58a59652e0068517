#include "management/form.hpp"

#include <algorithm>
#include <string>

#include "management/call.hpp"

namespace millrace::management {
namespace {

// `key=value` or `key="value"` among the parameters behind a header's first semicolon.
std::optional<std::string_view> parameter(std::string_view header, std::string_view key) {
  for (std::size_t at = header.find(';'); at != std::string_view::npos; at = header.find(';')) {
    header.remove_prefix(at + 1);
    while (header.starts_with(' ')) header.remove_prefix(1);
    const std::size_t equals = header.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const bool found = same_header(header.substr(0, equals), key);
    header.remove_prefix(equals + 1);
    const bool quoted = header.starts_with('"');
    if (quoted) header.remove_prefix(1);
    const std::size_t end = std::min(header.find(quoted ? '"' : ';'), header.size());
    if (found) return header.substr(0, end);
    header.remove_prefix(end);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> form_field(std::string_view content_type, std::string_view body,
                                           std::string_view name) {
  constexpr std::string_view kForm = "multipart/form-data";
  if (content_type.size() < kForm.size() || !same_header(content_type.substr(0, kForm.size()), kForm)) {
    return std::nullopt;
  }
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty()) return std::nullopt;
  const std::string mark = "--" + std::string(*boundary);
  std::size_t at = body.find(mark);
  while (at != std::string_view::npos) {
    body.remove_prefix(at + mark.size());
    const std::size_t end = body.find("\r\n" + mark);
    if (!body.starts_with("\r\n") || end == std::string_view::npos) return std::nullopt;
    const std::string_view part = body.substr(2, end < 2 ? 0 : end - 2);
    const std::size_t head_end = part.find("\r\n\r\n");
    if (head_end == std::string_view::npos) return std::nullopt;
    for (std::string_view head = part.substr(0, head_end); !head.empty();) {
      const std::string_view line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(std::min(line.size() + 2, head.size()));
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos || !same_header(line.substr(0, colon), "Content-Disposition"))
        continue;
      if (parameter(line, "name") == name) return part.substr(head_end + 4);
    }
    at = end + 2;
  }
  return std::nullopt;
}

}  // namespace millrace::management
