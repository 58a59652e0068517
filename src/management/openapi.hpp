// The description of the API (OpenAPI 3.1), written as data in src/management/openapi and put into the
// program by the build. Each file has some of the paths and schemas; document.json what all have in common.
#pragma once

#include <boost/json/fwd.hpp>
#include <span>
#include <string_view>

namespace millrace::management {

// The files' texts. Written by the build.
std::span<const std::string_view> openapi_parts() noexcept;

// All of them as one document.
boost::json::object openapi_document(std::string_view version);

}  // namespace millrace::management
