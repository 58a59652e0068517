// The few loopback sockets that the baselines need. All errors are Failures.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "load/failure.hpp"

namespace millrace::baseline {

using load::Failure;

[[noreturn]] void fail_with_errno(const char* what);

// A descriptor that is closed at the end.
class File {
 public:
  explicit File(int fd) noexcept : fd_(fd) {}
  File(File&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  File& operator=(File&& other) = delete;
  ~File();

  int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// Listens on 127.0.0.1; `port` 0 is replaced by the one that was free.
File listen_on_loopback(std::uint16_t& port);
// Blocking, without Nagle's delay.
File connect_to_loopback(std::uint16_t port);
// One more connection; with `non_blocking`, it is so.
File accept_from(const File& listener, bool non_blocking);

void send_all(const File& socket, const void* bytes, std::size_t count);
void receive_all(const File& socket, void* bytes, std::size_t count);

}  // namespace millrace::baseline
