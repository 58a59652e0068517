// What a restart must give back to a queue besides its messages: the values it remembers, and when messages
// are to be tried again. docs/format/records.md has the bytes.
#include <algorithm>

#include "base/varint.hpp"
#include "broker/queue/queue.hpp"

namespace millrace::broker {

void Queue::put_memory(Buffer& out) const {
  Buffer retries;
  std::uint64_t count = 0;
  const auto put_retry = [&](std::uint64_t seq, std::int64_t due_ms, std::uint32_t returns) {
    put_varint(retries, seq);
    put_varint(retries, static_cast<std::uint64_t>(std::max<std::int64_t>(due_ms, 1)));
    put_varint(retries, returns);
    ++count;
  };
  for (const auto& [due_ms, entry] : delayed_) {
    if (entry.persistent) put_retry(entry.seq, due_ms, entry.returns);
  }
  if (unread_retries_) {
    for (const auto& [seq, item] : unread_retries_->items) {
      if (item.persistent) put_retry(seq, item.retry.due_ms, item.retry.returns);
    }
  }
  put_varint(out, count);
  out.append(retries.view());
  if (window_ && spec_->durable) {
    window_->put_state(out, host_.now_ms());
  } else {
    put_varint(out, 0);
  }
}

void RecoveredQueue::read_memory(Reader& in) {
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    const std::uint64_t seq = in.varint();
    retries[seq] = read_retry(in);
  }
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    remember(read_remembered(in), false);
  }
}

Retry read_retry(Reader& in) {
  Retry retry;
  retry.due_ms = static_cast<std::int64_t>(std::min<std::uint64_t>(in.varint(), INT64_MAX));
  retry.returns = static_cast<std::uint32_t>(std::max<std::uint64_t>(in.varint(), 1));
  return retry;
}

void RecoveredQueue::remember(Remembered entry, bool in_state) {
  if (in_state) return;
  const std::uint64_t seq = entry.seq;
  window.insert_or_assign(seq, std::move(entry));
  // Of what a window can hold, the latest. Queues that remember less drop more when they are there.
  if (window.size() > DeduplicationWindow::kMaxEntries) window.erase(window.begin());
}

std::optional<unsigned> RecoveredQueue::stored_in(std::uint64_t seq) const {
  for (const auto& [lane, lane_runs] : runs) {
    const LaneRun* run = find_run(lane_runs, seq);
    if (run && is_live(*run, seq)) return lane;
  }
  return std::nullopt;
}

void Queue::recover_window(RecoveredQueue& recovered) {
  if (settings_->deduplication_header.empty()) return;
  // A message whose record is there, and that of its value not.
  for (const auto& [seq, logged] : recovered.tail) {
    if (recovered.window.contains(seq)) continue;
    Remembered entry;
    entry.value = host_.header_text(*logged.message, settings_->deduplication_header);
    if (entry.value.empty()) continue;
    entry.until_ms = remembered_until(logged.message->received_ms());
    entry.seq = seq;
    entry.kept = true;
    recovered.window.emplace(seq, std::move(entry));
  }
  window_ = std::make_unique<DeduplicationWindow>();
  for (auto& [seq, entry] : recovered.window) {
    if (remembers_what_it_holds() && !recovered.tail.contains(seq) && !recovered.stored_in(seq)) continue;
    window_->restore(std::move(entry), static_cast<std::size_t>(settings_->cache_size), host_.now_ms());
  }
}

void Queue::recover_retries(RecoveredQueue& recovered) {
  const std::int64_t latest = host_.now_ms() + settings_->delayed_retry_max_ms;
  for (auto& [seq, retry] : recovered.retries) {
    retry.due_ms = std::min(retry.due_ms, latest);  // a clock that was set back holds nothing for ever
    if (recovered.tail.contains(seq)) continue;
    const std::optional<unsigned> lane = recovered.stored_in(seq);
    if (!lane) continue;
    if (!unread_retries_) unread_retries_ = std::make_unique<UnreadRetries>();
    unread_retries_->items.emplace(seq, UnreadRetries::Item{retry, *lane});
    if (retry.due_ms <= host_.now_ms()) continue;
    unread_retries_->waiting.emplace(retry.due_ms, seq);
  }
}

void Queue::leave_retries(unsigned lane, const LaneRun& run) {
  for (auto it = delayed_.begin(); it != delayed_.end();) {
    const Entry& entry = it->second;
    if (!entry.stored || entry.seq < run.read_from_seq || entry.seq > run.run.last_seq ||
        lane_of(*entry.message) != lane) {
      ++it;
      continue;
    }
    if (!unread_retries_) unread_retries_ = std::make_unique<UnreadRetries>();
    const Retry retry{it->first, entry.returns};
    unread_retries_->items.emplace(entry.seq, UnreadRetries::Item{retry, lane, entry.persistent});
    unread_retries_->waiting.emplace(retry.due_ms, entry.seq);
    recovered_counts_[entry.seq] = entry.delivery_count;  // it may have come back while it was written
    left_memory(entry);
    it = delayed_.erase(it);
  }
}

bool Queue::take_retry(std::uint64_t seq, Retry& retry) {
  if (!unread_retries_) return false;
  const auto it = unread_retries_->items.find(seq);
  if (it == unread_retries_->items.end()) return false;
  retry = it->second.retry;
  unread_retries_->items.erase(it);
  const bool waits = unread_retries_->waiting.erase({retry.due_ms, seq}) > 0;
  if (unread_retries_->items.empty()) unread_retries_.reset();
  return waits;
}

std::uint64_t Queue::keep_retries(unsigned lane, const LaneRun& run) {
  if (!unread_retries_) return 0;
  std::uint64_t waiting = 0;
  for (const auto& [seq, unread] : unread_retries_->items) {
    if (unread.lane != lane || seq < run.run.first_seq || seq > run.run.last_seq) continue;
    waiting += unread_retries_->waiting.erase({unread.retry.due_ms, seq});
  }
  return waiting;
}

}  // namespace millrace::broker
