// Forms as browsers and tools upload files by them: multipart/form-data (RFC 7578). Pure.
#pragma once

#include <optional>
#include <string_view>

namespace millrace::management {

// The content of the field, within `body`; a field that is there twice counts once. None: it is no form with
// it. `content_type` is the request's header, which has the boundary.
std::optional<std::string_view> form_field(std::string_view content_type, std::string_view body,
                                           std::string_view name);

}  // namespace millrace::management
