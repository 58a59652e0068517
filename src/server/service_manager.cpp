#include "server/service_manager.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/number.hpp"

namespace millrace::server {
namespace {

std::optional<std::uint64_t> number_in(const char* text) {
  return text == nullptr ? std::nullopt : whole_number<std::uint64_t>(text);
}

}  // namespace

ServiceManager::ServiceManager(const Environment& environment) {
  if (const char* socket = environment("NOTIFY_SOCKET"); socket != nullptr) socket_ = socket;
  const char* whose = environment("WATCHDOG_PID");
  if (whose != nullptr && number_in(whose) != static_cast<std::uint64_t>(::getpid())) return;
  const auto limit_us = number_in(environment("WATCHDOG_USEC"));
  if (!limit_us || *limit_us == 0) return;
  const std::uint64_t half_ms = std::clamp<std::uint64_t>(*limit_us / 2000, 1, 3'600'000);
  watchdog_interval_ = std::chrono::milliseconds(half_ms);
}

void ServiceManager::tell(std::string_view assignments) const noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  static_cast<void>(::sendto(descriptor, assignments.data(), assignments.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&address), length));
  ::close(descriptor);
}

bool stderr_is_journal(const Environment& environment) noexcept {
  const char* stream = environment("JOURNAL_STREAM");
  if (stream == nullptr) return false;
  unsigned long long device = 0;
  unsigned long long inode = 0;
  if (std::sscanf(stream, "%llu:%llu", &device, &inode) != 2) return false;
  struct stat file {};
  return ::fstat(STDERR_FILENO, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}

}  // namespace millrace::server
