#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "baseline/baselines.hpp"
#include "baseline/socket.hpp"
#include "load/clock.hpp"

namespace millrace::baseline {

using load::kSecond;
using load::now_ns;

namespace {

constexpr std::size_t kFileBytes = 16 * 1024 * 1024;

// `step` until the time is over; its durations.
template <class Step>
load::Histogram repeat(double seconds, Step&& step) {
  load::Histogram histogram;
  const std::uint64_t end = now_ns() + static_cast<std::uint64_t>(seconds * kSecond);
  for (std::uint64_t before = now_ns(); before < end;) {
    step();
    const std::uint64_t after = now_ns();
    histogram.record(after - before);
    before = after;
  }
  return histogram;
}

// A file without a name, gone with its descriptor.
File unnamed_file(const std::string& folder) {
  std::string path = folder + "/millrace-baseline-XXXXXX";
  File file(mkostemp(path.data(), O_CLOEXEC));
  if (file.fd() < 0) fail_with_errno(path.c_str());
  unlink(path.c_str());
  return file;
}

}  // namespace

load::Report run_ping_pong(std::uint32_t bytes, double seconds) {
  std::uint16_t port = 0;
  const File listener = listen_on_loopback(port);
  const File client = connect_to_loopback(port);
  std::thread echo([server = accept_from(listener, false), bytes] {
    std::vector<std::uint8_t> block(bytes);
    try {
      for (;;) {
        receive_all(server, block.data(), bytes);
        send_all(server, block.data(), bytes);
      }
    } catch (const Failure&) {
      // The other side has closed: this is the end of the run.
    }
  });
  std::vector<std::uint8_t> block(bytes);
  const load::Histogram histogram = repeat(seconds, [&] {
    send_all(client, block.data(), bytes);
    receive_all(client, block.data(), bytes);
  });
  shutdown(client.fd(), SHUT_RDWR);
  echo.join();
  load::Report report;
  report.add_latency("ping_pong", histogram);
  return report;
}

load::Report run_fdatasync(const std::string& folder, std::uint32_t bytes, double seconds) {
  const File file = unnamed_file(folder);
  std::vector<std::uint8_t> block(bytes, 0x5a);
  off_t at = 0;
  const auto write_next = [&] {
    if (pwrite(file.fd(), block.data(), bytes, at) != static_cast<ssize_t>(bytes)) fail_with_errno("pwrite");
    at = (at + bytes) % static_cast<off_t>(kFileBytes);
  };
  for (std::size_t written = 0; written < kFileBytes + bytes; written += bytes) write_next();
  if (fsync(file.fd()) != 0) fail_with_errno("fsync");
  const load::Histogram histogram = repeat(seconds, [&] {
    write_next();
    if (fdatasync(file.fd()) != 0) fail_with_errno("fdatasync");
  });
  load::Report report;
  report.add_latency("fdatasync", histogram);
  return report;
}

}  // namespace millrace::baseline
