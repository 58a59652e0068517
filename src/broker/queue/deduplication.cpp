#include "broker/queue/deduplication.hpp"

#include <algorithm>

#include "base/varint.hpp"

namespace millrace::broker {

void put_remembered(Buffer& out, const Remembered& entry) {
  put_varint(out, entry.seq);
  put_varint(out, entry.until_ms == Remembered::kNever
                      ? 0
                      : static_cast<std::uint64_t>(std::max<std::int64_t>(entry.until_ms, 1)));
  put_sized_text(out, entry.value);
}

Remembered read_remembered(Reader& in) {
  Remembered entry;
  entry.seq = in.varint();
  const std::uint64_t until = in.varint();
  if (until > 0 && until < static_cast<std::uint64_t>(Remembered::kNever)) {
    entry.until_ms = static_cast<std::int64_t>(until);
  }
  entry.value = in.sized_text();
  entry.kept = true;
  return entry;
}

Remembered* DeduplicationWindow::find(std::string_view value, std::int64_t now_ms) {
  const auto it = by_value_.find(value);
  if (it == by_value_.end()) return nullptr;
  if (now_ms < it->second->until_ms) return &*it->second;
  order_.erase(it->second);
  by_value_.erase(it);
  return nullptr;
}

Remembered& DeduplicationWindow::remember(Remembered entry, std::size_t size) {
  const std::size_t room = size == 0 ? kMaxEntries : std::min(size, kMaxEntries);
  while (order_.size() >= room) drop_oldest();
  order_.push_back(std::move(entry));
  by_value_.emplace(order_.back().value, std::prev(order_.end()));
  return order_.back();
}

void DeduplicationWindow::restore(Remembered entry, std::size_t size, std::int64_t now_ms) {
  if (entry.until_ms <= now_ms) return;
  if (const Remembered* older = find(entry.value, now_ms)) forget(entry.value, older->seq);
  remember(std::move(entry), size);
}

void DeduplicationWindow::forget(std::string_view value, std::uint64_t seq) {
  const auto it = by_value_.find(value);
  if (it == by_value_.end() || it->second->seq != seq) return;
  const auto entry = it->second;
  by_value_.erase(it);
  order_.erase(entry);
}

void DeduplicationWindow::put_state(Buffer& out, std::int64_t now_ms) const {
  const auto counts = [&](const Remembered& entry) { return entry.kept && now_ms < entry.until_ms; };
  put_varint(out, static_cast<std::uint64_t>(std::count_if(order_.begin(), order_.end(), counts)));
  for (const Remembered& entry : order_) {
    if (counts(entry)) put_remembered(out, entry);
  }
}

void DeduplicationWindow::drop_oldest() {
  by_value_.erase(order_.front().value);
  order_.pop_front();
}

}  // namespace millrace::broker
