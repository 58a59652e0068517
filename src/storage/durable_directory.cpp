#include "storage/durable_directory.hpp"

#include <vector>

#include "runtime/path.hpp"

namespace millrace::storage {
result<void> create_directory_durably(runtime::FileSystem& files, const std::string& path) {
  std::vector<std::string> to_sync;
  for (std::string at = path; !files.exists(at);) {
    at = runtime::parent_of(at);
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
