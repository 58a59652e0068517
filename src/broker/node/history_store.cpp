#include "broker/node/history_store.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/varint.hpp"
#include "broker/queue/run_state.hpp"

namespace millrace::broker {

HistoryStore::~HistoryStore() {
  for (const storage::SegmentRun& run : runs_) released_(run);
}

bool HistoryStore::take(MessageRef message, Note note, const MessageFormats& formats) {
  if (!history_.remember(std::move(message), formats)) return false;
  notes_.push_back(note);
  while (notes_.size() > history_.messages().size()) notes_.pop_front();
  return true;
}

bool HistoryStore::remember(MessageRef message, const MessageFormats& formats) {
  const bool kept = durable_ && message->durable() && message->body().size() <= kMaxKeptBody;
  if (!take(std::move(message), Note{next_seq_, {}, kept, false}, formats)) return false;
  ++next_seq_;
  drop_runs();
  return kept;
}

void HistoryStore::put_record(Buffer& out) const {
  put_varint(out, notes_.back().seq);
  put_message_prefix(out, *history_.messages().back());
}

void HistoryStore::logged(storage::Lsn lsn) {
  notes_.back().lsn = lsn;
}

void HistoryStore::collect(storage::Lsn through, Spill& spill) const {
  for (std::size_t i = 0; i < notes_.size(); ++i) {
    const Note& note = notes_[i];
    if (!note.kept || note.stored) continue;
    if (note.lsn > through) break;
    spill.add(entity(), note.seq, 0, history_.messages()[i]);
  }
}

void HistoryStore::spilled(const storage::SegmentRun& run) {
  for (Note& note : notes_) {
    if (note.kept && note.seq >= run.first_seq && note.seq <= run.last_seq) note.stored = true;
  }
  runs_.push_back(run);
  drop_runs();
}

void HistoryStore::drop_runs() {
  const std::uint64_t first = first_seq();
  std::erase_if(runs_, [&](const storage::SegmentRun& run) {
    if (run.last_seq >= first) return false;
    released_(run);
    return true;
  });
}

void HistoryStore::for_each_run(const std::function<void(const storage::SegmentRun&)>& visit) const {
  for (const storage::SegmentRun& run : runs_) visit(run);
}

// Checkpoint and recovery.

void HistoryStore::put_state(Buffer& out) const {
  put_varint(out, next_seq_);
  put_varint(out, first_seq());
  put_varint(out, runs_.size());
  for (const storage::SegmentRun& run : runs_) put_run(out, run);
}

RecoveredHistory HistoryStore::read_state(Reader& in) {
  RecoveredHistory state;
  state.next_seq = in.varint();
  state.first_seq = in.varint();
  for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
    state.runs.push_back(read_run(in));
  }
  return state;
}

void RecoveredHistory::add(std::uint64_t seq, MessageRef message, storage::Lsn lsn) {
  next_seq = std::max(next_seq, seq + 1);
  const bool stored = std::any_of(runs.begin(), runs.end(), [&](const storage::SegmentRun& run) {
    return seq >= run.first_seq && seq <= run.last_seq;
  });
  if (stored || seq < first_seq) return;
  logged.insert_or_assign(seq, Logged{std::move(message), lsn});
  // Of what a history can hold, the latest. Those that hold less drop more when they are there.
  if (logged.size() > RecentHistory::kMaxLength) logged.erase(logged.begin());
}

std::uint64_t HistoryStore::recover(RecoveredHistory&& recovered, const MessageFormats& formats,
                                    const ReadRun& read) {
  struct Found {
    MessageRef message;
    Note note;
  };
  std::map<std::uint64_t, Found> found;
  std::uint64_t lost = 0;
  for (const storage::SegmentRun& run : recovered.runs) {
    std::uint64_t items = 0;
    const result<Buffer> bytes = read(run);
    if (bytes.has_value()) {
      ByteView left = bytes->view();
      storage::StoredItem item;
      while (!left.empty() && storage::next_item(left, item) == storage::ItemStatus::item) {
        ++items;
        if (item.seq < recovered.first_seq) continue;
        MessageRef message = read_message(item.payload);
        if (!message) {
          ++lost;
          continue;
        }
        found.insert_or_assign(item.seq, Found{std::move(message), Note{item.seq, {}, true, true}});
      }
    }
    lost += run.count - std::min(run.count, items);
    runs_.push_back(run);
  }
  for (auto& [seq, logged] : recovered.logged) {
    found.insert_or_assign(seq, Found{std::move(logged.message), Note{seq, logged.lsn, true, false}});
  }
  next_seq_ = std::max(next_seq_, recovered.next_seq);
  // One that only transient messages had pushed out may be back: they are gone.
  for (auto& [seq, item] : found) take(std::move(item.message), item.note, formats);
  drop_runs();
  return lost;
}

}  // namespace millrace::broker
