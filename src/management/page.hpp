// The web page: files that the build has put into the program (see ui/), answered at "/" to anybody. They
// hold nothing secret; all that the page shows it asks the API for, as the user who has logged in there.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "management/call.hpp"

namespace millrace::management {

struct PageFile {
  std::string_view path;  // "" is the page itself, others are below it: "page/main.js"
  std::string_view content_type;
  std::string_view etag;  // of its bytes, in quotes
  std::string_view content;
};

// Written by the build from ui/; none where it was told to leave the page out.
std::span<const PageFile> page_files() noexcept;

// What the page may do where it is shown: load what this broker serves and ask this broker, nothing else
// (Content Security Policy Level 3). Neither frames nor forms that go anywhere.
inline constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Nothing: it is no file of the page. `if_none_match` is the request's header, or empty.
std::optional<Answer> page_answer(std::string_view method, const Target& target,
                                  std::string_view if_none_match,
                                  std::span<const PageFile> files = page_files());

}  // namespace millrace::management
