#include "storage/sorted_runs.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/assert.hpp"
#include "base/reader.hpp"
#include "base/varint.hpp"
#include "storage/durable_directory.hpp"
#include "storage/numbered_name.hpp"
#include "storage/sorted_run_file.hpp"
#include "storage/sorted_run_merge.hpp"

namespace millrace::storage {
namespace {

constexpr std::string_view kPrefix = "run-";
constexpr std::uint8_t kStateVersion = 1;

// With every block's worth of inserts a merge gets this much further. An entry is merged once a level, so any
// factor above the number of levels keeps merges ahead of what comes in.
constexpr std::uint64_t kInsertsPerMergeStep = kRunBlockEntries;
constexpr std::uint64_t kMergeStepEntries = 8 * kRunBlockEntries;

// A snapshot holds up to this many entries of the memtable itself, rather than making a file of them.
constexpr std::size_t kMaxStateEntries = 1024;

struct Run {
  SortedRunFile file;
  std::uint8_t level = 0;
  std::uint64_t taken = 0;        // entries that are gone from its front
  std::vector<RankedEntry> head;  // what follows them; never empty while entries are left
  std::size_t at = 0;
  std::uint64_t first_snapshot = 0;  // that names it; 0: none
  std::uint64_t last_snapshot = 0;
  bool synced = false;

  bool at_end() const noexcept { return taken == file.entries; }
};

Error damaged_state() {
  return fail(Errc::corrupt, "what the checkpoint says about a sorted index is damaged: run millrace repair");
}

class DiskSortedRuns final : public SortedRuns {
 public:
  DiskSortedRuns(runtime::FileSystem& files, Options options) : files_(files), options_(std::move(options)) {}

  result<void> start(ByteView state) {
    if (auto made = create_directory_durably(files_, options_.directory); !made) return made;
    if (auto read = read_state(state); !read) return read;
    for (Run& run : runs_) {
      if (auto checked = check_sorted_run(files_, run.file); !checked) return checked;
      if (auto filled = fill(run); !filled) return filled;
    }
    if (auto removed = remove_strangers(); !removed) return removed;
    find_lowest();
    return {};
  }

  result<void> insert(RankedEntry entry) override {
    if (merge_ && ++inserts_since_step_ >= kInsertsPerMergeStep) {
      if (auto merged = merge_step(); !merged) return merged;
    }
    if (memtable_.size() >= options_.memtable_entries) {
      if (auto flushed = flush(); !flushed) return flushed;
      if (!merge_) start_merge();
    }
    memtable_.push_back(entry);
    std::push_heap(memtable_.begin(), memtable_.end(), std::greater<>());
    ++size_;
    if (!lowest_ || entry < *lowest_) {
      lowest_ = entry;
      source_ = kMemtable;
    }
    return {};
  }

  std::optional<RankedEntry> lowest() const override { return lowest_; }

  result<void> pop() override {
    MILLRACE_ASSERT(lowest_.has_value(), "there is nothing to pop");
    if (source_ == kMemtable) {
      std::pop_heap(memtable_.begin(), memtable_.end(), std::greater<>());
      memtable_.pop_back();
    } else if (auto taken = take_front(source_); !taken) {
      return taken;
    }
    --size_;
    if (size_ == 0) memtable_ = {};  // an idle index holds no memory
    find_lowest();
    return {};
  }

  std::uint64_t size() const noexcept override { return size_; }
  std::size_t runs() const noexcept override { return runs_.size(); }

  void clear() override {
    merge_.reset();
    memtable_ = {};
    for (const Run& run : std::exchange(runs_, {})) retire(run);
    size_ = 0;
    find_lowest();
  }

  result<SortedRunsSnapshot> snapshot() override {
    if (memtable_.size() > kMaxStateEntries) {
      if (auto flushed = flush(); !flushed) return flushed.error();
    }
    SortedRunsSnapshot out;
    out.number = ++last_snapshot_;
    out.directory = options_.directory;
    out.state.put_le(kStateVersion);
    put_varint(out.state, memtable_.size());
    for (const RankedEntry& entry : memtable_) {
      out.state.put_le(entry.rank);
      out.state.put_le(entry.position);
    }
    put_varint(out.state, static_cast<std::uint64_t>(std::count_if(
                              runs_.begin(), runs_.end(), [](const Run& run) { return !run.at_end(); })));
    for (Run& run : runs_) {
      if (run.at_end()) continue;  // it stays only for the merge that reads it
      put_varint(out.state, run.file.id.value);
      out.state.put_le(run.level);
      put_varint(out.state, run.file.entries);
      put_varint(out.state, run.taken);
      if (!run.synced) out.files.push_back(run.file.path);
      if (run.first_snapshot == 0) run.first_snapshot = out.number;
      run.last_snapshot = out.number;
    }
    return out;
  }

  void snapshot_durable(std::uint64_t number) override {
    MILLRACE_ASSERT(number <= last_snapshot_, "there is no such snapshot");
    durable_snapshot_ = std::max(durable_snapshot_, number);
    for (Run& run : runs_) {
      if (run.first_snapshot != 0 && run.first_snapshot <= number) run.synced = true;
    }
    std::erase_if(retired_, [this](const Retired& retired) {
      if (retired.last_snapshot >= durable_snapshot_) return false;
      (void)files_.remove(retired.path);  // best effort: the next start removes it otherwise
      return true;
    });
  }

 private:
  static constexpr std::size_t kMemtable = SIZE_MAX;

  // A file that is in use no more, but which a snapshot may still need.
  struct Retired {
    std::string path;
    std::uint64_t last_snapshot = 0;
  };

  std::string path_of(SortedRunId id) const {
    return options_.directory + "/" + numbered_name(kPrefix, id.value);
  }

  result<void> read_state(ByteView state) {
    if (state.empty()) return {};
    Reader reader(state);
    const std::uint8_t version = reader.u8();
    if (version > kStateVersion) {
      return fail(Errc::precondition_failed,
                  "what the checkpoint says about a sorted index was written by a newer version of Millrace: "
                  "start that one");
    }
    const std::uint64_t entries = reader.varint();
    if (version == 0 || entries > reader.remaining() / sizeof(RankedEntry)) return damaged_state();
    for (std::uint64_t i = 0; i < entries; ++i) {
      const auto rank = reader.le<std::int64_t>();
      memtable_.push_back({rank, reader.le<std::uint64_t>()});
    }
    std::make_heap(memtable_.begin(), memtable_.end(), std::greater<>());
    size_ = entries;
    for (std::uint64_t left = reader.varint(); left != 0 && !reader.failed(); --left) {
      Run run;
      run.file.id = SortedRunId(reader.varint());
      run.file.path = path_of(run.file.id);
      run.level = reader.u8();
      run.file.entries = reader.varint();
      run.taken = reader.varint();
      run.first_snapshot = run.last_snapshot = last_snapshot_;
      run.synced = true;
      if (run.taken >= run.file.entries) return damaged_state();
      size_ += run.file.entries - run.taken;
      runs_.push_back(std::move(run));
    }
    return reader.failed() || !reader.at_end() ? damaged_state() : result<void>();
  }

  result<void> remove_strangers() {
    const auto names = files_.list(options_.directory);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      const auto number = number_of(name, kPrefix);
      if (!number) continue;
      next_id_ = std::max(next_id_, SortedRunId(*number).next());
      const bool known = std::any_of(runs_.begin(), runs_.end(),
                                     [&](const Run& run) { return run.file.id.value == *number; });
      if (known) continue;
      if (auto removed = files_.remove(options_.directory + "/" + name); !removed) return removed;
    }
    return {};
  }

  result<void> fill(Run& run) {
    auto head = read_sorted_run(files_, run.file, run.taken, options_.head_entries);
    if (!head) return head.error();
    run.head = std::move(*head);
    run.at = 0;
    return {};
  }

  void find_lowest() noexcept {
    lowest_.reset();
    if (!memtable_.empty()) {
      lowest_ = memtable_.front();
      source_ = kMemtable;
    }
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if (runs_[i].at_end()) continue;
      const RankedEntry& front = runs_[i].head[runs_[i].at];
      if (lowest_ && !(front < *lowest_)) continue;
      lowest_ = front;
      source_ = i;
    }
  }

  result<void> take_front(std::size_t index) {
    Run& run = runs_[index];
    const bool merging = merge_ && merge_->reads(run.file.id);
    ++run.taken;
    if (run.at + 1 == run.head.size() && !run.at_end()) {
      if (auto filled = fill(run); !filled) {
        --run.taken;
        return filled;
      }
    } else {
      ++run.at;
    }
    if (merging) {
      if (++taken_in_merge_ == merge_->output().entries) drop_merge();  // nothing is left to merge
    } else if (run.at_end()) {
      retire(run);
      runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    return {};
  }

  void retire(const Run& run) {
    if (run.last_snapshot >= durable_snapshot_ && run.last_snapshot != 0) {
      retired_.push_back({run.file.path, run.last_snapshot});
    } else {
      (void)files_.remove(run.file.path);  // best effort: the next start removes it otherwise
    }
  }

  // The memtable becomes a run.
  result<void> flush() {
    std::sort(memtable_.begin(), memtable_.end());  // a sorted array is a heap as well, should this fail
    Run run;
    run.file = {path_of(next_id_), next_id_, memtable_.size()};
    next_id_ = next_id_.next();
    SortedRunWriter writer(files_, run.file);
    if (auto done = writer.begin(); !done) return done;
    for (const RankedEntry& entry : memtable_) {
      if (auto done = writer.add(entry); !done) return done;
    }
    if (auto done = writer.finish(); !done) return done;
    const std::size_t kept = std::min(options_.head_entries, memtable_.size());
    run.head.assign(memtable_.begin(), memtable_.begin() + static_cast<std::ptrdiff_t>(kept));
    memtable_.clear();
    runs_.push_back(std::move(run));
    find_lowest();
    return {};
  }

  // Of the lowest level that has as many runs as a level may have.
  void start_merge() {
    for (std::uint8_t level = 0; level < UINT8_MAX; ++level) {
      std::vector<SortedRunMerge::Input> inputs;
      bool higher = false;
      for (const Run& run : runs_) {
        if (run.level == level) inputs.push_back({run.file, run.taken});
        higher = higher || run.level > level;
      }
      if (inputs.size() >= options_.max_runs_per_level) {
        merge_ = std::make_unique<SortedRunMerge>(files_, std::move(inputs), path_of(next_id_), next_id_,
                                                  options_.head_entries);
        next_id_ = next_id_.next();
        merge_level_ = static_cast<std::uint8_t>(level + 1);
        taken_in_merge_ = 0;
        inserts_since_step_ = 0;
        return;
      }
      if (!higher) return;
    }
  }

  result<void> merge_step() {
    inserts_since_step_ = 0;
    const auto whole = merge_->step(kMergeStepEntries);
    if (!whole) {
      drop_merge();
      // The runs are as good as before; another merge is tried when the next run is written.
      return whole.error().code == Errc::disk_full ? result<void>() : whole.error();
    }
    if (!*whole) return {};
    // All that was taken meanwhile was the lowest of the inputs' entries: it is the front of the output.
    Run merged;
    merged.file = merge_->output();
    merged.level = merge_level_;
    merged.taken = taken_in_merge_;
    if (!merged.at_end()) {
      if (auto filled = fill(merged); !filled) {
        drop_merge();
        (void)files_.remove(merged.file.path);
        return filled;
      }
    }
    std::erase_if(runs_, [this](const Run& run) {
      if (!merge_->reads(run.file.id)) return false;
      retire(run);
      return true;
    });
    merge_.reset();
    if (merged.at_end()) {
      retire(merged);
    } else {
      runs_.push_back(std::move(merged));
    }
    find_lowest();
    start_merge();
    return {};
  }

  // Runs that were kept for the merge alone go.
  void drop_merge() {
    merge_.reset();
    std::erase_if(runs_, [this](const Run& run) {
      if (run.at_end()) retire(run);
      return run.at_end();
    });
    find_lowest();
  }

  runtime::FileSystem& files_;
  const Options options_;
  std::vector<RankedEntry> memtable_;  // a heap, the lowest in front
  std::vector<Run> runs_;
  std::vector<Retired> retired_;
  SortedRunId next_id_{1};
  std::uint64_t size_ = 0;

  std::optional<RankedEntry> lowest_;
  std::size_t source_ = kMemtable;  // where lowest_ is: the memtable, or runs_[source_]

  std::unique_ptr<SortedRunMerge> merge_;
  std::uint8_t merge_level_ = 0;      // of its output
  std::uint64_t taken_in_merge_ = 0;  // from its inputs since it began
  std::uint64_t inserts_since_step_ = 0;

  std::uint64_t last_snapshot_ = 1;  // what the index was opened with counts as the first
  std::uint64_t durable_snapshot_ = 1;
};

}  // namespace

result<void> sync_snapshot(runtime::FileSystem& files, const SortedRunsSnapshot& snapshot) {
  for (const std::string& path : snapshot.files) {
    auto file = files.open(path, runtime::OpenMode::read_write);
    if (!file) return file.error();
    if (auto synced = (*file)->sync_data(); !synced) return synced;
  }
  if (snapshot.files.empty()) return {};
  return files.sync_directory(snapshot.directory);
}

result<std::unique_ptr<SortedRuns>> SortedRuns::open(runtime::FileSystem& files, Options options,
                                                     ByteView state) {
  MILLRACE_ASSERT(options.memtable_entries > 0 && options.max_runs_per_level > 1 &&
                      options.head_entries >= kRunBlockEntries,
                  "these options cannot work");
  auto runs = std::make_unique<DiskSortedRuns>(files, std::move(options));
  if (auto started = runs->start(state); !started) return started.error();
  return std::unique_ptr<SortedRuns>(std::move(runs));
}

}  // namespace millrace::storage
