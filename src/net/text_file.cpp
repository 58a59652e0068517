#include "net/text_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace millrace::net {

result<std::string> read_text_file(const std::string& path, std::string_view what) {
  std::ifstream file(path, std::ios::binary);
  std::string content;
  char chunk[4096];
  while (file.read(chunk, sizeof(chunk)), file.gcount() > 0)
    content.append(chunk, static_cast<std::size_t>(file.gcount()));
  if (!file.eof()) {
    return fail(Errc::io_error,
                "cannot read " + std::string(what) + "'" + path + "': " + std::strerror(errno));
  }
  return content;
}

result<Secret> read_secret_file(const std::string& path) {
  auto text = read_text_file(path);
  if (!text) return text.error();
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  return Secret(std::move(*text));
}

}  // namespace millrace::net
