#include "storage/sorted_runs.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/assert.hpp"
#include "storage/numbered_name.hpp"
#include "storage/sorted_run_file.hpp"
#include "storage/sorted_run_merge.hpp"

namespace millrace::storage {
namespace {

// With every block's worth of inserts a merge gets this much further. An entry is merged once a level, so any
// factor above the number of levels keeps merges ahead of what comes in.
constexpr std::uint64_t kInsertsPerMergeStep = kRunBlockEntries;
constexpr std::uint64_t kMergeStepEntries = 8 * kRunBlockEntries;

struct Run {
  std::shared_ptr<const SortedRunFile> file;
  std::uint8_t level = 0;
  std::uint64_t taken = 0;        // entries that are gone from its front; never all of them
  std::vector<RankedEntry> head;  // the first of those that follow
  std::size_t at = 0;             // of them is the next
};

class DiskSortedRuns final : public SortedRuns {
 public:
  DiskSortedRuns(runtime::FileSystem& files, Options options) : files_(files), options_(std::move(options)) {}

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
    runs_.clear();
    size_ = 0;
    find_lowest();
  }

 private:
  static constexpr std::size_t kMemtable = SIZE_MAX;

  std::string path_of(SortedRunId id) const {
    return options_.directory + "/" + numbered_name(options_.prefix, id.value);
  }

  result<void> fill(Run& run) {
    auto head = run.file->read(run.taken, options_.head_entries);
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
      const RankedEntry& front = runs_[i].head[runs_[i].at];
      if (lowest_ && !(front < *lowest_)) continue;
      lowest_ = front;
      source_ = i;
    }
  }

  result<void> take_front(std::size_t index) {
    Run& run = runs_[index];
    const bool merging = merge_ && merge_->reads(run.file->id());
    ++run.taken;
    ++run.at;
    if (run.taken == run.file->entries()) {
      runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(index));
    } else if (run.at == run.head.size()) {
      if (auto filled = fill(run); !filled) {
        --run.taken;
        --run.at;
        return filled;
      }
    }
    if (merging && ++taken_in_merge_ == merge_->entries()) merge_.reset();  // nothing is left to merge
    return {};
  }

  // The memtable becomes a run.
  result<void> flush() {
    std::sort(memtable_.begin(), memtable_.end());  // a sorted array is a heap as well, should this fail
    const SortedRunId id = std::exchange(next_id_, next_id_.next());
    SortedRunWriter writer(files_, path_of(id), id, memtable_.size());
    if (auto done = writer.begin(); !done) return done;
    for (const RankedEntry& entry : memtable_) {
      if (auto done = writer.add(entry); !done) return done;
    }
    auto file = writer.finish();
    if (!file) return file.error();
    Run run;
    run.file = std::move(*file);
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
        const SortedRunId id = std::exchange(next_id_, next_id_.next());
        merge_ = std::make_unique<SortedRunMerge>(files_, std::move(inputs), path_of(id), id,
                                                  options_.head_entries);
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
    auto whole = merge_->step(kMergeStepEntries);
    if (!whole) {
      merge_.reset();
      // The runs are as good as before; another merge is tried when the next run is written.
      return whole.error().code == Errc::disk_full ? result<void>() : whole.error();
    }
    if (*whole == nullptr) return {};
    const auto merge = std::exchange(merge_, nullptr);
    // All that was taken meanwhile was the lowest of the inputs' entries: it is the front of the output.
    Run merged;
    merged.file = std::move(*whole);
    merged.level = merge_level_;
    merged.taken = taken_in_merge_;
    if (auto filled = fill(merged); !filled) return filled;
    std::erase_if(runs_, [&](const Run& run) { return merge->reads(run.file->id()); });
    runs_.push_back(std::move(merged));
    find_lowest();
    start_merge();
    return {};
  }

  runtime::FileSystem& files_;
  const Options options_;
  std::vector<RankedEntry> memtable_;  // a heap, the lowest in front
  std::vector<Run> runs_;
  SortedRunId next_id_{1};
  std::uint64_t size_ = 0;

  std::optional<RankedEntry> lowest_;
  std::size_t source_ = kMemtable;  // where lowest_ is: the memtable, or runs_[source_]

  std::unique_ptr<SortedRunMerge> merge_;
  std::uint8_t merge_level_ = 0;      // of its output
  std::uint64_t taken_in_merge_ = 0;  // from its inputs since it began
  std::uint64_t inserts_since_step_ = 0;
};

}  // namespace

std::unique_ptr<SortedRuns> SortedRuns::make(runtime::FileSystem& files, Options options) {
  MILLRACE_ASSERT(options.memtable_entries > 0 && options.max_runs_per_level > 1 &&
                      options.head_entries >= kRunBlockEntries,
                  "these options cannot work");
  return std::make_unique<DiskSortedRuns>(files, std::move(options));
}

result<void> remove_sorted_runs(runtime::FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names) return names.error().code == Errc::not_found ? result<void>() : names.error();
  for (const std::string& name : *names) {
    // Of any prefix. What is named otherwise, such as lost+found, is not ours.
    const std::string_view prefix(name.data(), name.size() - std::min<std::size_t>(name.size(), 16));
    if (!number_of(name, prefix)) continue;
    if (auto removed = files.remove(directory + "/" + name); !removed) return removed;
  }
  return {};
}

}  // namespace millrace::storage
