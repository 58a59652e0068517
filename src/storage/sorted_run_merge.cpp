#include "storage/sorted_run_merge.hpp"

#include <algorithm>
#include <utility>

namespace millrace::storage {
namespace {

std::uint64_t entries_of(const std::vector<SortedRunMerge::Input>& inputs) noexcept {
  std::uint64_t sum = 0;
  for (const auto& input : inputs) sum += input.file->entries() - input.first;
  return sum;
}

}  // namespace

SortedRunMerge::SortedRunMerge(runtime::FileSystem& files, std::vector<Input> inputs, std::string path,
                               SortedRunId id, std::size_t head_entries)
    : entries_(entries_of(inputs)),
      writer_(files, std::move(path), id, entries_),
      head_entries_(head_entries),
      left_(entries_) {
  for (Input& input : inputs) cursors_.push_back({std::move(input), {}, 0});
}

bool SortedRunMerge::reads(SortedRunId id) const noexcept {
  return std::any_of(cursors_.begin(), cursors_.end(),
                     [id](const Cursor& cursor) { return cursor.input.file->id() == id; });
}

result<void> SortedRunMerge::fill(Cursor& cursor) {
  if (cursor.at < cursor.head.size() || cursor.at_end()) return {};
  auto head = cursor.input.file->read(cursor.input.first, head_entries_);
  if (!head) return head.error();
  cursor.head = std::move(*head);
  cursor.at = 0;
  cursor.input.first += cursor.head.size();
  return {};
}

result<std::shared_ptr<const SortedRunFile>> SortedRunMerge::step(std::uint64_t entries) {
  if (!begun_) {
    if (auto done = writer_.begin(); !done) return done.error();
    begun_ = true;
    for (Cursor& cursor : cursors_) {
      if (auto done = fill(cursor); !done) return done.error();
    }
  }
  for (std::uint64_t i = std::min(entries, left_); i != 0; --i) {
    Cursor* lowest = nullptr;
    for (Cursor& cursor : cursors_) {
      if (cursor.at_end()) continue;
      if (lowest == nullptr || cursor.head[cursor.at] < lowest->head[lowest->at]) lowest = &cursor;
    }
    if (auto done = writer_.add(lowest->head[lowest->at++]); !done) return done.error();
    if (auto done = fill(*lowest); !done) return done.error();
    --left_;
  }
  if (left_ != 0) return nullptr;
  return writer_.finish();
}

}  // namespace millrace::storage
