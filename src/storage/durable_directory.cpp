#include "storage/durable_directory.hpp"

#include <vector>

namespace millrace::storage {
namespace {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
  if (slash == std::string::npos) return ".";
  const std::size_t end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

}  // namespace

result<void> create_directory_durably(runtime::FileSystem& files, const std::string& path) {
  std::vector<std::string> to_sync;
  for (std::string at = path; !files.exists(at);) {
    at = parent_of(at);
    to_sync.push_back(at);
    if (at == "." || at == "/") break;
  }
  if (auto made = files.create_directories(path); !made) return made;
  for (auto at = to_sync.rbegin(); at != to_sync.rend(); ++at) {
    if (auto synced = files.sync_directory(*at); !synced) return synced;
  }
  return {};
}

}  // namespace millrace::storage
