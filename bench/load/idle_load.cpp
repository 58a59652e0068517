#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "load/clock.hpp"
#include "load/connection.hpp"
#include "load/loads.hpp"
#include "load/process_meter.hpp"

namespace millrace::load {

namespace {

// One address has about 28 000 ports to connect from.
constexpr std::uint32_t kConnectionsPerAddress = 20'000;
constexpr rlim_t kOtherFiles = 64;

void allow_files(std::uint32_t connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = connections + kOtherFiles;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (limit.rlim_cur < wanted || setrlimit(RLIMIT_NOFILE, &limit) != 0)
    throw Failure(fmt::format("--idle-connections {}: only {} files may be open (ulimit -n)", connections,
                              limit.rlim_max));
}

void sleep_for(double seconds) {
  const auto ns = static_cast<std::uint64_t>(seconds * kSecond);
  const timespec wait{static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
  nanosleep(&wait, nullptr);
}

}  // namespace

Report run_idle_connections(const Options& options) {
  allow_files(options.idle_connections);
  const ProcessMeter meter(options.pid);
  // What the first connection brings along is not the others' price.
  Connection first(options);
  const std::uint64_t resident = meter.resident_bytes();
  const std::uint64_t opening_cpu = meter.cpu_ns();
  const std::uint64_t start = now_ns();
  std::vector<std::unique_ptr<Connection>> connections;
  for (std::uint32_t i = 0; i < options.idle_connections; ++i) {
    const std::string from = fmt::format("127.0.0.{}", 1 + i / kConnectionsPerAddress % 250);
    const bool local = options.host.starts_with("127.");
    connections.push_back(std::make_unique<Connection>(options, local ? from : std::string()));
    connections.back()->release_buffers();
  }
  const double seconds = static_cast<double>(now_ns() - start) / kSecond;
  const double count = options.idle_connections;
  Report report;
  report.add("connections_per_second", count / seconds, "/s");
  if (!meter.on()) return report;
  report.add("broker_cpu_us_per_connect", static_cast<double>(meter.cpu_ns() - opening_cpu) / 1000 / count,
             "us");
  sleep_for(options.warm_up);
  const double grown = static_cast<double>(meter.resident_bytes()) - static_cast<double>(resident);
  report.add("broker_bytes_per_connection", grown / count, "bytes");
  const std::uint64_t idle_cpu = meter.cpu_ns();
  const std::uint64_t idle_start = now_ns();
  sleep_for(options.seconds);
  report.add(
      "broker_idle_cpu_percent",
      100 * static_cast<double>(meter.cpu_ns() - idle_cpu) / static_cast<double>(now_ns() - idle_start), "%");
  return report;
}

}  // namespace millrace::load
