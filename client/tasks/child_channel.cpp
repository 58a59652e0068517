#include "client/tasks/child_channel.hpp"

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "millrace/json.hpp"

namespace millrace::tasks {
namespace {

// Above what a message of the broker's can be.
constexpr std::uint32_t kLongest = 1U << 30;

bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = send(fd, data, size, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

bool read_all(int fd, char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t got = recv(fd, data, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

bool write_object(int fd, const boost::json::object& object) {
  std::string text(4, '\0');
  text += boost::json::serialize(object);
  const std::size_t size = text.size() - 4;
  if (size > kLongest) return false;
  for (std::size_t i = 0; i < 4; ++i) text[i] = static_cast<char>((size >> (8 * i)) & 0xff);
  return write_all(fd, text.data(), text.size());
}

std::optional<boost::json::object> read_object(int fd) {
  unsigned char head[4];
  if (!read_all(fd, reinterpret_cast<char*>(head), sizeof head)) return std::nullopt;
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) size |= static_cast<std::uint32_t>(head[i]) << (8 * i);
  if (size > kLongest) return std::nullopt;
  std::string text(size, '\0');
  if (!read_all(fd, text.data(), size)) return std::nullopt;
  boost::system::error_code error;
  boost::json::value value = parse_json(text, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

}  // namespace millrace::tasks
