# Run by the build: writes OUTPUT, which defines management::openapi_parts() with the texts of FILES.

set(texts "")
foreach(file ${FILES})
  file(READ ${file} text)
  string(APPEND texts "    R\"~~~(${text})~~~\",\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"management/openapi.hpp\"

namespace millrace::management {
namespace {

constexpr std::string_view kParts[] = {
${texts}};

}  // namespace

std::span<const std::string_view> openapi_parts() noexcept {
  return kParts;
}

}  // namespace millrace::management
")
