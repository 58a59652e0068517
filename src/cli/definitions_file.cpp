#include "cli/definitions_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/stop.hpp"

namespace millrace::cli {

void write_definitions(const std::string& path, std::string_view text) {
  const std::string beside = path + ".new";
  const auto refuse = [&] {
    const std::string why = std::strerror(errno);
    unlink(beside.c_str());
    return Stop(kBadUse, "cannot write '" + path + "': " + why);
  };
  const int file = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) throw refuse();
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t n = write(file, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      close(file);
      errno = error;
      throw refuse();
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  const bool synced = fsync(file) == 0;
  if (close(file) != 0 || !synced || std::rename(beside.c_str(), path.c_str()) != 0) throw refuse();
}

void check_definitions(std::string_view text, const std::string& path) {
  boost::system::error_code malformed;
  const boost::json::value parsed = boost::json::parse({text.data(), text.size()}, malformed);
  if (malformed) throw Stop(kBadUse, "'" + path + "' is no JSON: " + malformed.message());
  if (!parsed.is_object())
    throw Stop(kBadUse, "'" + path + "' is no definitions file: it holds no JSON object");
}

}  // namespace millrace::cli
