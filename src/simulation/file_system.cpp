#include "simulation/file_system.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/assert.hpp"
#include "base/crc32c.hpp"
#include "runtime/path.hpp"

namespace millrace::simulation {
namespace {

using runtime::is_root;
using runtime::normal_path;
using runtime::OpenMode;
using runtime::parent_of;

std::uint64_t stream_of(const std::string& path) {
  return crc32c(1, as_bytes(path));
}

struct Node {
  explicit Node(Prng random) : luck(random) {}

  bool directory = false;
  std::vector<std::uint8_t> cached;   // as the process sees it
  std::vector<std::uint8_t> on_disk;  // as a power cut at its worst leaves it
  std::set<std::uint64_t> dirty;      // sectors that differ
  std::uint64_t charged = 0;          // bytes of the disk's capacity
  Prng luck;                          // which earlier versions of a sector reach the disk

  void write_back(std::uint64_t sector, std::size_t sector_bytes, std::vector<std::uint8_t>& to) const {
    const std::uint64_t begin = sector * sector_bytes;
    const std::uint64_t end = std::min<std::uint64_t>({begin + sector_bytes, cached.size(), to.size()});
    if (begin < end) std::copy(cached.begin() + begin, cached.begin() + end, to.begin() + begin);
  }

  void write(std::uint64_t offset, ByteView bytes, std::size_t sector_bytes) {
    if (bytes.empty()) return;
    const std::uint64_t end = offset + bytes.size();
    for (std::uint64_t sector = offset / sector_bytes; sector <= (end - 1) / sector_bytes; ++sector) {
      if (!dirty.insert(sector).second && luck.one_in(4)) write_back(sector, sector_bytes, on_disk);
    }
    if (cached.size() < end) cached.resize(end);
    std::copy(bytes.begin(), bytes.end(), cached.begin() + offset);
  }

  // The file system orders nothing else by it: what was dirty before stays so.
  void sync_range(std::uint64_t begin, std::uint64_t end, std::size_t sector_bytes) {
    if (begin == end) return;
    if (on_disk.size() < end) on_disk.resize(end);
    const auto first = dirty.lower_bound(begin / sector_bytes);
    const auto last = dirty.upper_bound((end - 1) / sector_bytes);
    std::for_each(first, last, [&](std::uint64_t sector) { write_back(sector, sector_bytes, on_disk); });
    dirty.erase(first, last);
  }

  void sync(std::size_t sector_bytes) {
    on_disk.resize(cached.size());
    for (const std::uint64_t sector : dirty) write_back(sector, sector_bytes, on_disk);
    dirty.clear();
  }

  // A sync failed: the disk took some sectors, and the cache calls some of the others clean all the same.
  void fail_sync(std::size_t sector_bytes) {
    std::erase_if(dirty, [&](std::uint64_t sector) {
      if (luck.one_in(3)) write_back(sector, sector_bytes, on_disk);
      return luck.one_in(2);
    });
  }

  // What is on the disk after a power cut.
  std::vector<std::uint8_t> survivor(Prng random, std::size_t sector_bytes) const {
    std::vector<std::uint8_t> result = on_disk;
    // Nothing, everything, and parts of every density are all worth trying.
    const std::uint64_t kept_of_eight = random.one_in(3) ? random.below(9) : random.below(2) * 8;
    if (cached.size() != on_disk.size() && random.below(8) < kept_of_eight) result.resize(cached.size());
    for (const std::uint64_t sector : dirty) {
      if (random.below(8) < kept_of_eight) write_back(sector, sector_bytes, result);
    }
    return result;
  }
};

using Names = std::map<std::string, std::shared_ptr<Node>>;

// A change of names that sync_directory(directory) has not made durable yet.
struct NameChange {
  std::string directory;
  std::string gone;  // empty when nothing goes
  std::string added;
  std::shared_ptr<Node> node;

  void apply(Names& names) const {
    if (!gone.empty()) names.erase(gone);
    if (!added.empty()) names[added] = node;
  }
};

}  // namespace

struct FileSystem::State {
  explicit State(Options o) : options(o), random(o.seed) {}

  enum class Step { go, stop };

  Options options;
  Prng random;
  Names names;
  Names names_on_disk;
  std::vector<NameChange> changes;
  std::set<std::string> locks;
  std::uint64_t boot = 0;
  std::uint64_t steps = 0;
  std::uint64_t syncs = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t bytes_read = 0;
  std::map<std::uint64_t, Errc> failures;
  std::optional<std::pair<std::uint64_t, Errc>> write_failure;
  std::uint64_t fail_reads_every = 0;
  std::uint64_t direct_reads = 0;
  std::uint64_t failed = 0;
  std::optional<std::uint64_t> crash_step;
  struct RenameTrap {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t steps = 0;
  };
  std::optional<RenameTrap> trap;
  std::function<void()> off;
  bool dark = false;

  // Counts a step. An error when it is not to be done; `dark` afterwards when the power went in it.
  std::optional<Error> refuse_step(bool writes = false) {
    if (dark) return fail(Errc::io_error, "the power is off");
    ++steps;
    if (const auto at = failures.find(steps); at != failures.end()) return injected(at->second);
    if (writes && write_failure && steps >= write_failure->first) {
      const Errc code = write_failure->second;
      write_failure.reset();
      return injected(code);
    }
    if (crash_step && steps >= *crash_step) {
      dark = true;
      if (off) off();
    }
    return std::nullopt;
  }
  Error injected(Errc code) {
    ++failed;
    return fail(code, "a failure injected at I/O step " + std::to_string(steps));
  }
  static Error cut() { return fail(Errc::io_error, "the power went off"); }

  std::uint64_t used() const {
    std::uint64_t sum = 0;
    for (const auto& [path, node] : names) sum += node->charged;
    return sum;
  }
  bool charge(Node& node, std::uint64_t end) {
    if (end <= node.charged) return true;
    if (used() + (end - node.charged) > options.capacity_bytes) return false;
    node.charged = end;
    return true;
  }

  std::shared_ptr<Node> find(const std::string& path) const {
    const auto at = names.find(path);
    return at == names.end() ? nullptr : at->second;
  }
  bool is_directory(const std::string& path) const {
    if (is_root(path)) return true;
    const auto node = find(path);
    return node != nullptr && node->directory;
  }
  std::shared_ptr<Node> make(const std::string& path, bool directory) {
    auto node = std::make_shared<Node>(random.fork(stream_of(path)));
    node->directory = directory;
    change({parent_of(path), "", path, node});
    return node;
  }
  void change(NameChange what) {
    what.apply(names);
    changes.push_back(std::move(what));
  }

  std::shared_ptr<State> survivor(Prng& luck) const {
    const Prng base(luck.next());
    const auto luck_of = [&](const std::string& path) { return Prng(base).fork(stream_of(path)); };

    Names kept = names_on_disk;
    Prng names_luck = luck_of("");
    const std::uint64_t kept_of_four = names_luck.below(5);
    for (const NameChange& what : changes) {
      if (names_luck.below(4) < kept_of_four) what.apply(kept);
    }
    auto next = std::make_shared<State>(options);
    next->random = Prng(luck.next());
    std::map<const Node*, std::shared_ptr<Node>> copies;  // two names of one file stay one file
    for (const auto& [path, node] : kept) {
      const std::string parent = parent_of(path);
      if (!is_root(parent) && !next->names.contains(parent)) continue;  // sorted: a parent comes first
      auto& copy = copies[node.get()];
      if (copy == nullptr) {
        copy = std::make_shared<Node>(next->random.fork(stream_of(path)));
        copy->directory = node->directory;
        copy->charged = node->charged;
        copy->on_disk = node->survivor(luck_of(path), options.sector_bytes);
        copy->cached = copy->on_disk;
      }
      next->names[path] = copy;
    }
    next->names_on_disk = next->names;
    return next;
  }
};

namespace {

using State = FileSystem::State;

class SimulatedFile final : public runtime::File {
 public:
  SimulatedFile(std::shared_ptr<State> state, std::shared_ptr<Node> node, OpenMode mode)
      : state_(std::move(state)), node_(std::move(node)), mode_(mode), boot_(state_->boot) {}

  result<void> write(std::uint64_t offset, std::span<const ByteView> parts) override {
    MILLRACE_ASSERT(mode_ != OpenMode::read && mode_ != OpenMode::read_direct,
                    "write to a file opened to be read");
    if (auto error = refuse()) return *error;
    std::uint64_t end = offset;
    for (const ByteView part : parts) {
      check_alignment(offset, part.data(), part.size());
      end += part.size();
    }
    if (!state_->charge(*node_, end)) return fail(Errc::disk_full, "no space left on the simulated disk");
    for (const ByteView part : parts) {
      node_->write(offset, part, state_->options.sector_bytes);
      offset += part.size();
      state_->bytes_written += part.size();
    }
    return finish();
  }

  result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) override {
    if (auto error = refuse(false)) return *error;
    check_alignment(offset, out.data(), out.size());
    if (mode_ == OpenMode::read_direct && state_->fail_reads_every != 0 &&
        ++state_->direct_reads % state_->fail_reads_every == 0) {
      ++state_->failed;
      return fail(Errc::io_error, "a simulated error of the disk");
    }
    if (state_->dark) return State::cut();
    if (offset >= node_->cached.size()) return std::size_t{0};
    const std::size_t count = std::min<std::uint64_t>(out.size(), node_->cached.size() - offset);
    std::copy_n(node_->cached.begin() + offset, count, out.begin());
    state_->bytes_read += count;
    return count;
  }

  result<void> sync_data() override {
    return sync([&] { node_->sync(state_->options.sector_bytes); });
  }

  // Two steps, so that the power may go and the disk may fail between them.
  result<void> write_durably(std::uint64_t offset, std::span<const ByteView> parts) override {
    if (auto written = write(offset, parts); !written) return written;
    std::uint64_t end = offset;
    for (const ByteView part : parts) end += part.size();
    return sync([&] { node_->sync_range(offset, end, state_->options.sector_bytes); });
  }

  result<std::uint64_t> size() override {
    if (boot_ != state_->boot || state_->dark) return State::cut();
    return std::uint64_t{node_->cached.size()};
  }

  result<void> truncate(std::uint64_t size) override {
    if (auto error = refuse()) return *error;
    node_->cached.resize(size);
    return finish();
  }

  result<void> allocate(std::uint64_t size) override {
    if (auto error = refuse()) return *error;
    if (!state_->charge(*node_, size)) return fail(Errc::disk_full, "no space left on the simulated disk");
    if (node_->cached.size() < size) node_->cached.resize(size);
    return finish();
  }

 private:
  std::optional<Error> refuse(bool writes = true) {
    if (boot_ != state_->boot) return fail(Errc::io_error, "the file was opened before the power cut");
    return state_->refuse_step(writes);
  }
  result<void> sync(const auto& take_over) {
    if (auto error = refuse()) {
      if (boot_ == state_->boot && !state_->dark) node_->fail_sync(state_->options.sector_bytes);
      return *error;
    }
    if (state_->dark) return State::cut();
    take_over();
    ++state_->syncs;
    return {};
  }
  result<void> finish() {
    if (state_->dark) return State::cut();
    return {};
  }
  void check_alignment(std::uint64_t offset, const void* address, std::size_t bytes) const {
    if (!runtime::is_direct(mode_)) return;
    MILLRACE_ASSERT(offset % runtime::kDirectAlignment == 0 && bytes % runtime::kDirectAlignment == 0 &&
                        reinterpret_cast<std::uintptr_t>(address) % runtime::kDirectAlignment == 0,
                    "direct I/O must be aligned");
  }

  std::shared_ptr<State> state_;
  std::shared_ptr<Node> node_;
  OpenMode mode_;
  std::uint64_t boot_;
};

class SimulatedLock final : public runtime::DirectoryLock {
 public:
  SimulatedLock(std::shared_ptr<State> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), boot_(state_->boot) {}
  ~SimulatedLock() override {
    if (boot_ == state_->boot) state_->locks.erase(path_);
  }

 private:
  std::shared_ptr<State> state_;
  std::string path_;
  std::uint64_t boot_;
};

}  // namespace

FileSystem::FileSystem(Options options) : state_(std::make_shared<State>(options)) {}
FileSystem::FileSystem(std::shared_ptr<State> state) : state_(std::move(state)) {}
FileSystem::~FileSystem() = default;

result<std::unique_ptr<runtime::File>> FileSystem::open(const std::string& path, OpenMode mode) {
  if (auto error = state_->refuse_step()) return *error;
  auto node = state_->find(path);
  if (node != nullptr && node->directory) return fail(Errc::io_error, path + " is a directory");
  switch (mode) {
    case OpenMode::read:
    case OpenMode::read_write:
    case OpenMode::read_direct:
    case OpenMode::write_direct:
      if (node == nullptr) return fail(Errc::not_found, path + " does not exist");
      break;
    case OpenMode::create_new:
    case OpenMode::create_direct:
      if (node != nullptr) return fail(Errc::io_error, path + " exists already");
      break;
    case OpenMode::create:
      break;
  }
  if (node == nullptr) {
    if (!state_->is_directory(parent_of(path)))
      return fail(Errc::not_found, parent_of(path) + " does not exist");
    node = state_->make(path, false);
  }
  if (state_->dark) return State::cut();
  return std::unique_ptr<runtime::File>(std::make_unique<SimulatedFile>(state_, std::move(node), mode));
}

result<void> FileSystem::rename(const std::string& from, const std::string& to) {
  if (auto error = state_->refuse_step()) return *error;
  auto node = state_->find(from);
  if (node == nullptr) return fail(Errc::not_found, from + " does not exist");
  MILLRACE_ASSERT(!node->directory, "renaming directories is not simulated");
  state_->change({parent_of(to), from, to, std::move(node)});
  if (state_->trap && to.ends_with("/" + state_->trap->name) && --state_->trap->count == 0) {
    state_->crash_step = state_->steps + state_->trap->steps;
    state_->trap.reset();
  }
  if (state_->dark) return State::cut();
  return {};
}

result<void> FileSystem::remove(const std::string& path) {
  if (auto error = state_->refuse_step()) return *error;
  if (state_->find(path) == nullptr) return fail(Errc::not_found, path + " does not exist");
  state_->change({parent_of(path), path, "", nullptr});
  if (state_->dark) return State::cut();
  return {};
}

result<void> FileSystem::create_directories(const std::string& given) {
  if (auto error = state_->refuse_step()) return *error;
  const std::string path = normal_path(given);
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (!state_->is_directory(part)) {
      if (state_->find(part) != nullptr) return fail(Errc::io_error, part + " is a file");
      state_->make(part, true);
    }
    if (slash == std::string::npos) break;
  }
  if (state_->dark) return State::cut();
  return {};
}

result<std::vector<std::string>> FileSystem::list(const std::string& given) {
  if (auto error = state_->refuse_step()) return *error;
  if (state_->dark) return State::cut();
  const std::string path = normal_path(given);
  if (!state_->is_directory(path)) return fail(Errc::not_found, path + " does not exist");
  std::vector<std::string> found;
  for (const auto& [name, node] : state_->names) {
    if (parent_of(name) == path) found.push_back(name.substr(name.rfind('/') + 1));
  }
  return found;
}

bool FileSystem::exists(const std::string& path) {
  return state_->find(normal_path(path)) != nullptr;
}

result<void> FileSystem::sync_directory(const std::string& given) {
  if (auto error = state_->refuse_step()) return *error;
  if (state_->dark) return State::cut();
  const std::string path = normal_path(given);
  if (!state_->is_directory(path)) return fail(Errc::not_found, path + " does not exist");
  std::erase_if(state_->changes, [&](const NameChange& change) {
    if (change.directory != path) return false;
    change.apply(state_->names_on_disk);
    return true;
  });
  return {};
}

result<std::uint64_t> FileSystem::free_bytes(const std::string&) {
  if (auto error = state_->refuse_step()) return *error;
  if (state_->dark) return State::cut();
  const std::uint64_t used = state_->used();
  return used >= state_->options.capacity_bytes ? 0 : state_->options.capacity_bytes - used;
}

result<std::unique_ptr<runtime::DirectoryLock>> FileSystem::lock_directory(const std::string& given) {
  if (auto error = state_->refuse_step()) return *error;
  if (state_->dark) return State::cut();
  const std::string path = normal_path(given);
  if (!state_->locks.insert(path).second) return fail(Errc::resource_locked, path + " is locked");
  return std::unique_ptr<runtime::DirectoryLock>(std::make_unique<SimulatedLock>(state_, path));
}

std::uint64_t FileSystem::steps() const noexcept {
  return state_->steps;
}
std::uint64_t FileSystem::syncs() const noexcept {
  return state_->syncs;
}
std::uint64_t FileSystem::bytes_written() const noexcept {
  return state_->bytes_written;
}
std::uint64_t FileSystem::bytes_read() const noexcept {
  return state_->bytes_read;
}
void FileSystem::fail_at(std::uint64_t step, Errc code) {
  state_->failures[step] = code;
}
void FileSystem::fail_write_from(std::uint64_t step, Errc code) {
  state_->write_failure.emplace(step, code);
}
void FileSystem::fail_reads(std::uint64_t every) {
  state_->fail_reads_every = every;
}
std::uint64_t FileSystem::failures() const noexcept {
  return state_->failed;
}
void FileSystem::crash_at(std::uint64_t step, std::function<void()> off) {
  state_->crash_step = step;
  state_->off = std::move(off);
}
void FileSystem::crash_after_rename(std::string name, std::uint64_t count, std::uint64_t steps) {
  state_->trap = State::RenameTrap{std::move(name), count, steps};
}
bool FileSystem::powered_off() const noexcept {
  return state_->dark;
}
void FileSystem::forget_faults() {
  state_->failures.clear();
  state_->write_failure.reset();
  state_->fail_reads_every = 0;
  state_->crash_step.reset();
  state_->trap.reset();
}
void FileSystem::set_capacity(std::uint64_t bytes) {
  state_->options.capacity_bytes = bytes;
}

void FileSystem::flip_bit(const std::string& path, std::uint64_t bit) {
  const auto node = state_->find(path);
  MILLRACE_ASSERT(node != nullptr, "no file to flip a bit in");
  const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
  if (bit / 8 < node->cached.size()) node->cached[bit / 8] ^= mask;
  if (bit / 8 < node->on_disk.size()) node->on_disk[bit / 8] ^= mask;
}

void FileSystem::crash(Prng& luck) {
  auto next = state_->survivor(luck);
  // Old handles share the old state: it must know that its time is over.
  ++state_->boot;
  state_->dark = true;
  state_ = std::move(next);
}

std::unique_ptr<FileSystem> FileSystem::crash_clone(Prng& luck) const {
  return std::unique_ptr<FileSystem>(new FileSystem(state_->survivor(luck)));
}

std::unique_ptr<FileSystem> FileSystem::clone() const {
  auto copy = std::unique_ptr<FileSystem>(new FileSystem(state_->options));
  for (const auto& [path, node] : state_->names) {
    auto same = std::make_shared<Node>(*node);
    same->on_disk = same->cached;
    same->dirty.clear();
    copy->state_->names[path] = copy->state_->names_on_disk[path] = std::move(same);
  }
  return copy;
}

std::vector<std::uint8_t> FileSystem::contents(const std::string& path) const {
  const auto node = state_->find(path);
  MILLRACE_ASSERT(node != nullptr, "no such file");
  return node->cached;
}

void FileSystem::put(const std::string& path, ByteView content) {
  for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    auto& directory = state_->names[path.substr(0, slash)];
    if (directory == nullptr) directory = std::make_shared<Node>(state_->random.fork(stream_of(path)));
    directory->directory = true;
    state_->names_on_disk[path.substr(0, slash)] = directory;
  }
  auto node = std::make_shared<Node>(state_->random.fork(stream_of(path)));
  node->cached.assign(content.begin(), content.end());
  node->on_disk = node->cached;
  node->charged = content.size();
  state_->names[path] = state_->names_on_disk[path] = std::move(node);
}

std::vector<std::string> FileSystem::paths() const {
  std::vector<std::string> found;
  for (const auto& [path, node] : state_->names) {
    if (!node->directory) found.push_back(path);
  }
  return found;
}

}  // namespace millrace::simulation
