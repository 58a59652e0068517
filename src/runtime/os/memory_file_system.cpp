#include "runtime/os/memory_file_system.hpp"

#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/assert.hpp"
#include "runtime/os/memory_file.hpp"
#include "runtime/path.hpp"

namespace millrace::runtime {
namespace {

Error refused(Errc code, std::string_view verb, const std::string& path, std::string_view why) {
  return fail(code, "cannot " + std::string(verb) + " '" + path + "' (in memory): " + std::string(why));
}

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<MemoryFileContent> content, std::string path) noexcept
      : content_(std::move(content)), path_(std::move(path)) {}

  using File::write;
  result<void> write(std::uint64_t offset, std::span<const ByteView> parts) override {
    return done(content_->write(offset, parts), "write");
  }
  result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) override {
    return content_->read(offset, out);
  }
  result<void> sync_data() override { return {}; }
  result<std::uint64_t> size() override { return content_->size(); }
  result<void> truncate(std::uint64_t size) override {
    return done(content_->truncate(size), "set the size of");
  }
  result<void> allocate(std::uint64_t size) override {
    return done(content_->allocate(size), "reserve room for");
  }

 private:
  result<void> done(bool had_room, std::string_view verb) const {
    if (had_room) return {};
    return refused(Errc::disk_full, verb, path_, "the limit of the store is reached");
  }

  std::shared_ptr<MemoryFileContent> content_;
  std::string path_;
};

}  // namespace

struct MemoryFileSystem::State {
  explicit State(std::uint64_t capacity_bytes) : budget(std::make_shared<MemoryBudget>(capacity_bytes)) {}

  bool is_directory(const std::string& path) const { return is_root(path) || directories.contains(path); }

  const std::shared_ptr<MemoryBudget> budget;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<MemoryFileContent>> files;
  std::set<std::string> directories;
  std::set<std::string> locked;
};

namespace {

class MemoryLock final : public DirectoryLock {
 public:
  MemoryLock(std::shared_ptr<MemoryFileSystem::State> state, std::string path) noexcept
      : state_(std::move(state)), path_(std::move(path)) {}
  ~MemoryLock() override {
    const std::lock_guard lock(state_->mutex);
    state_->locked.erase(path_);
  }

 private:
  std::shared_ptr<MemoryFileSystem::State> state_;
  std::string path_;
};

}  // namespace

MemoryFileSystem::MemoryFileSystem(std::uint64_t capacity_bytes)
    : state_(std::make_shared<State>(capacity_bytes)) {}
MemoryFileSystem::~MemoryFileSystem() = default;

result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->files.find(path);
  const bool there = found != state_->files.end();
  switch (mode) {
    case OpenMode::read:
    case OpenMode::read_write:
    case OpenMode::read_direct:
    case OpenMode::write_direct:
      if (!there) return refused(Errc::not_found, "open", path, "there is no such file");
      break;
    case OpenMode::create_new:
    case OpenMode::create_direct:
      if (there) return refused(Errc::io_error, "create", path, "it exists already");
      break;
    case OpenMode::create:
      break;
  }
  if (there) return std::unique_ptr<File>(std::make_unique<MemoryFile>(found->second, path));
  if (!state_->is_directory(parent_of(path)))
    return refused(Errc::not_found, "create", path, "there is no such directory");
  auto content = std::make_shared<MemoryFileContent>(state_->budget);
  state_->files.emplace(path, content);
  return std::unique_ptr<File>(std::make_unique<MemoryFile>(std::move(content), path));
}

result<void> MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->mutex);
  MILLRACE_ASSERT(!state_->directories.contains(from), "directories in memory keep their names");
  const auto found = state_->files.find(from);
  if (found == state_->files.end()) return refused(Errc::not_found, "rename", from, "there is no such file");
  auto content = std::move(found->second);
  state_->files.erase(found);
  state_->files.insert_or_assign(to, std::move(content));
  return {};
}

result<void> MemoryFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  if (state_->files.erase(path) == 0 && state_->directories.erase(path) == 0)
    return refused(Errc::not_found, "remove", path, "there is no such file");
  return {};
}

result<void> MemoryFileSystem::create_directories(const std::string& given) {
  const std::lock_guard lock(state_->mutex);
  const std::string path = normal_path(given);
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (state_->files.contains(part))
      return refused(Errc::io_error, "create", path, "'" + part + "' is a file");
    if (!is_root(part)) state_->directories.insert(part);
    if (slash == std::string::npos) return {};
  }
}

result<std::vector<std::string>> MemoryFileSystem::list(const std::string& given) {
  const std::lock_guard lock(state_->mutex);
  const std::string path = normal_path(given);
  if (!state_->is_directory(path))
    return refused(Errc::not_found, "list", path, "there is no such directory");
  std::set<std::string> names;
  const auto add = [&](const std::string& child) {
    if (parent_of(child) == path) names.insert(child.substr(child.rfind('/') + 1));
  };
  for (const auto& [name, content] : state_->files) add(name);
  for (const std::string& name : state_->directories) add(name);
  return std::vector<std::string>(names.begin(), names.end());
}

bool MemoryFileSystem::exists(const std::string& given) {
  const std::lock_guard lock(state_->mutex);
  const std::string path = normal_path(given);
  return state_->is_directory(path) || state_->files.contains(path);
}

result<void> MemoryFileSystem::sync_directory(const std::string&) {
  return {};
}

result<std::uint64_t> MemoryFileSystem::free_bytes(const std::string&) {
  return state_->budget->free();
}

result<std::unique_ptr<DirectoryLock>> MemoryFileSystem::lock_directory(const std::string& given) {
  const std::lock_guard lock(state_->mutex);
  const std::string path = normal_path(given);
  if (!state_->locked.insert(path).second)
    return fail(Errc::resource_locked, "'" + path + "' (in memory) is in use already");
  return std::unique_ptr<DirectoryLock>(std::make_unique<MemoryLock>(state_, path));
}

}  // namespace millrace::runtime
