#include "management/page.hpp"

#include <algorithm>
#include <string>

namespace millrace::management {
namespace {

const PageFile* find_file(const Target& target, std::span<const PageFile> files) {
  std::string path;
  for (const std::string& part : target.path) {
    if (!path.empty()) path += '/';
    path += part;
  }
  for (const PageFile& file : files) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

// A list of tags, or "*" (RFC 9110 §13.1.2). Tags of ours have no comma, and a weak mark makes no difference.
bool lists_tag(std::string_view header, std::string_view etag) {
  while (!header.empty()) {
    const std::size_t end = std::min(header.find(','), header.size());
    std::string_view tag = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    while (tag.starts_with(' ') || tag.starts_with('\t')) tag.remove_prefix(1);
    while (tag.ends_with(' ') || tag.ends_with('\t')) tag.remove_suffix(1);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == "*" || tag == etag) return true;
  }
  return false;
}

}  // namespace

std::optional<Answer> page_answer(std::string_view method, const Target& target,
                                  std::string_view if_none_match, std::span<const PageFile> files) {
  const PageFile* file = find_file(target, files);
  if (file == nullptr) return std::nullopt;
  if (method != "GET" && method != "HEAD") {
    Answer answer = refusal(405, "method_not_allowed", "Method Not Allowed");
    answer.allow = "GET, HEAD";
    return answer;
  }
  Answer answer;
  answer.file = file;
  answer.content_type = file->content_type;
  if (lists_tag(if_none_match, file->etag)) {
    answer.status = 304;
  } else {
    answer.body = file->content;
  }
  return answer;
}

}  // namespace millrace::management
