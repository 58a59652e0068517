#include "server/process_figures.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace millrace::server {
namespace {

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return statm ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

std::uint64_t open_files() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  std::uint64_t count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count > 3 ? count - 3 : 0;  // ".", ".." and the folder itself
}

// Of the control group that the process is in, if it has a limit (cgroup v2).
std::uint64_t memory_of_group() {
  std::ifstream groups("/proc/self/cgroup");
  constexpr std::string_view kUnified = "0::";
  std::uint64_t most = UINT64_MAX;
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with(kUnified)) continue;
    std::uint64_t bytes = 0;
    if (std::ifstream("/sys/fs/cgroup" + line.substr(kUnified.size()) + "/memory.max") >> bytes) most = bytes;
  }
  return most;
}

}  // namespace

std::uint64_t memory_total_bytes() {
  const auto machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::min(machine, memory_of_group());
}

management::ProcessFigures process_figures(const std::string& data_dir) {
  management::ProcessFigures figures;
  figures.resident_bytes = resident_bytes();
  figures.open_files = open_files();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.open_files_max = limit.rlim_cur;
  struct statvfs disk {};
  if (::statvfs(data_dir.c_str(), &disk) == 0) {
    figures.disk_free_bytes = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  }
  return figures;
}

std::string node_name() {
  char host[256] = "localhost";
  if (::gethostname(host, sizeof host - 1) != 0) return "millrace@localhost";
  return "millrace@" + std::string(host);
}

}  // namespace millrace::server
