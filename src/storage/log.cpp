#include "storage/log.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/prng.hpp"
#include "storage/log_group.hpp"
#include "storage/log_recovery.hpp"
#include "storage/log_spares.hpp"

namespace millrace::storage {
namespace {

using FilePtr = std::shared_ptr<LogFile>;
using runtime::Nanoseconds;

// Inline commits hold up the shard, so they are for disks that answer about as fast as two wake-ups.
constexpr Nanoseconds kInlineTook = std::chrono::microseconds(400);
constexpr std::size_t kInlineBytes = 128u << 10;
// Only the disk being full is waited for; somebody else must make room.
constexpr runtime::Milliseconds kRoomRetry{100};
// After the start: what that has to make durable, such as a new broker's users, is not to wait behind them.
constexpr runtime::Milliseconds kFirstSpares{100};

// A crash that undoes it brings a message once more, which may happen to any that is not acknowledged yet.
constexpr bool may_wait(RecordType type) noexcept {
  return type == RecordType::settle || type == RecordType::requeue || type == RecordType::delayed_settled;
}

[[noreturn]] void end_process(const std::string& directory, const Error& error) {
  std::fprintf(
      stderr,
      "millrace: the log in '%s' failed: %s; what the disk holds is unknown now, so the process ends "
      "(a restart recovers all that was confirmed)\n",
      directory.c_str(), error.text.c_str());
  std::fflush(stderr);
  std::_Exit(EXIT_FAILURE);
}

class ShardLog final : public Log {
 public:
  ShardLog(runtime::ShardRuntime runtime, const LogOptions& options, LogListener& listener,
           RecoveredLog recovered, bool corrupt)
      : runtime_(runtime),
        options_(options),
        listener_(listener),
        salts_(static_cast<std::uint64_t>(runtime.clock.wall().count()) * 0x9e3779b97f4a7c15ull ^
               static_cast<std::uint64_t>(runtime.clock.steady().count()) ^
               reinterpret_cast<std::uintptr_t>(this)),
        chain_(std::move(recovered.chain)),
        spares_(runtime, options_, recovered.next_number, std::move(recovered.spares)),
        position_(recovered.position),
        epoch_(recovered.epoch + 1),
        appended_(recovered.last),
        handed_over_(recovered.last),
        durable_(recovered.last),
        synced_(recovered.last),
        write_(std::make_shared<GroupWrite>()) {
    if (corrupt) state_ = State::corrupt;
  }

  // Opens the epoch, synchronously and synced in every mode.
  result<void> start() {
    if (state_ == State::corrupt) return {};
    append_record(RecordType::epoch_start, 0, 0, {});
    sync_due_ = true;
    prepare_write();
    write_->run(runtime_.files, runtime_.clock, options_.directory);
    if (!write_->outcome) return write_->outcome.error();
    finish_write();
    file_taken_ = false;
    // The listener is not ready to be asked before open() has returned.
    runtime_.executor.post([this, life = std::weak_ptr<char>(life_)] {
      if (life.expired() || state_ != State::open) return;
      ask_for_release();
      runtime_.timers.start(kFirstSpares, [this, life] {
        if (!life.expired() && state_ == State::open) spares_.keep(spares_wanted());
      });
    });
    return {};
  }

  Lsn append(RecordType type, std::uint8_t flags, std::uint64_t entity,
             std::span<const ByteView> parts) override {
    MILLRACE_ASSERT(state_ == State::open, "append to a log that is corrupt, failed or being closed");
    return append_record(type, flags, entity, parts);
  }

  void flush(bool idle) override {
    if (state_ != State::open || gathered_.empty()) return;
    if (!urgent_ && gathered_.size() < kSettleBytes) return flush_later();
    flush_wanted_ = true;
    if (busy_) return;
    const bool inline_pays = idle && !notifying_ && !spares_.busy() && usual_took_ <= kInlineTook &&
                             gathered_.size() <= kInlineBytes;
    if (!inline_pays) {
      submit_next();
      return;
    }
    prepare_write();
    write_->run(runtime_.files, runtime_.clock, options_.directory);
    on_written();
  }

  Lsn appended() const noexcept override { return appended_; }
  Lsn durable() const noexcept override { return durable_; }
  std::uint64_t unflushed_bytes() const noexcept override {
    return gathered_.size() + (busy_ ? write_->records.size() : 0);
  }

  void release(Lsn through) override {
    through = std::min(through, durable_);
    while (chain_.size() > 1 && chain_[1]->header.first <= through.next()) {
      FilePtr file = std::move(chain_.front());
      chain_.pop_front();
      asked_ -= std::min<std::size_t>(asked_, 1);
      std::erase(unsynced_, file);
      spares_.give_back(std::move(file), spares_wanted());
    }
    if (state_ == State::open) spares_.keep(spares_wanted());
    if (room_wanted_) submit_next();
  }

  void close(Task done) override {
    if (state_ != State::open) {
      runtime_.executor.post(std::move(done));
      return;
    }
    state_ = State::closing;
    closed_ = std::move(done);
    flush_wanted_ = true;
    if (!busy_) go_on_closing();
  }

 private:
  enum class State : std::uint8_t { open, closing, closed, failed, corrupt };

  Lsn append_record(RecordType type, std::uint8_t flags, std::uint64_t entity,
                    std::span<const ByteView> parts) {
    if (gathered_.empty()) open_group();
    urgent_ = urgent_ || !may_wait(type);
    std::size_t length = 0;
    for (const ByteView part : parts) length += part.size();
    MILLRACE_ASSERT(length <= kMaxPayloadBytes &&
                        length + kRecordHeaderBytes + kFileHeaderBlockBytes <= options_.file_bytes,
                    "a record is larger than the log takes");
    std::uint8_t* at = gathered_.extend(kRecordHeaderBytes + length);
    appended_ = appended_.next();
    store_record_header(at, {static_cast<std::uint32_t>(length), 0, epoch_, appended_, type, flags, entity});
    at += kRecordHeaderBytes;
    for (const ByteView part : parts) {
      if (part.empty()) continue;
      std::memcpy(at, part.data(), part.size());
      at += part.size();
    }
    return appended_;
  }

  // The LSN that it states is filled in when the group is handed over.
  void open_group() {
    gathered_.begin_at(position_);
    std::uint8_t* const at = gathered_.extend(kCommitGroupBytes);
    appended_ = appended_.next();
    store_record_header(at, {sizeof(std::uint64_t), 0, epoch_, appended_, RecordType::commit_group, 0, 0});
  }

  // Turns what was gathered into a GroupWrite; it may be empty when only a sync is due.
  void prepare_write() {
    GroupWrite& write = *write_;
    write.pieces.clear();
    write.written_before.clear();
    write.pieces_done = 0;
    write.sync = options_.mode == SyncMode::sync || sync_due_ || state_ == State::closing;
    std::swap(write.records, gathered_);
    flush_wanted_ = false;
    urgent_ = false;
    sync_due_ = false;
    if (!write.records.empty()) {
      store_le(write.records.data() + kRecordHeaderBytes, synced_.value);
      cut_into_pieces();
    }
    for (const FilePtr& file : unsynced_) {
      const bool synced_anyway = std::any_of(write.pieces.begin(), write.pieces.end(),
                                             [&](const auto& piece) { return piece.file == file; });
      if (write.sync && !synced_anyway) write.written_before.push_back(file);
    }
    if (write.sync) unsynced_.clear();
    handed_over_ = appended_;
    busy_ = true;
  }

  void cut_into_pieces() {
    GroupWrite& write = *write_;
    Lsn next = handed_over_.next();
    bool opens_file = chain_.empty();
    if (opens_file) take_file(next, synced_);
    for (std::size_t begin = 0;;) {
      const std::size_t end = fitting_end(begin, next);
      if (end != begin) {
        const FilePtr& file = chain_.back();
        write.pieces.push_back({file, file->header, opens_file, position_, begin, end});
        position_ += end - begin;
        if (!write.sync && (unsynced_.empty() || unsynced_.back() != file)) unsynced_.push_back(file);
      }
      begin = end;
      if (begin == write.records.size()) return;
      // With `sync`, all before the new file is synced before the new file is written.
      take_file(next, write.sync ? Lsn(next.value - 1) : synced_);
      opens_file = true;
    }
  }

  // How far the records from `begin` on, the first of which is `next`, fit into the rest of the file. `next`
  // becomes the first that does not.
  std::size_t fitting_end(std::size_t begin, Lsn& next) {
    GroupBuffer& records = write_->records;
    const std::uint64_t room = chain_.back()->bytes - position_;
    if (records.size() - begin <= room) {
      next = appended_.next();
      return records.size();
    }
    std::size_t end = begin;
    while (true) {
      const std::size_t bytes = kRecordHeaderBytes + load_le<std::uint32_t>(records.data() + end);
      if (end + bytes - begin > room) return end;
      end += bytes;
      next = next.next();
    }
  }

  void take_file(Lsn first, Lsn durable) {
    FilePtr file = spares_.take();
    LogFileHeader& header = file->header;
    const std::uint32_t old_salt = header.salt;
    while (header.salt == old_salt || header.salt == 0)
      header.salt = static_cast<std::uint32_t>(salts_.next());
    ++header.generation;
    header.first = first;
    header.durable = durable;
    header.epoch = epoch_;
    header.synced = options_.mode == SyncMode::sync;
    header.sealed_at = 0;
    position_ = kFileHeaderBlockBytes;
    chain_.push_back(std::move(file));
    file_taken_ = true;
  }

  void submit_next() {
    room_wanted_ = false;
    if (!busy_) prepare_write();
    // The disk thread shares nothing with this one but the write, which is left alone until it is done.
    Task work = [write = write_, &files = runtime_.files, &clock = runtime_.clock,
                 directory = options_.directory] { write->run(files, clock, directory); };
    Task done = [this, life = std::weak_ptr<char>(life_)] {
      if (!life.expired()) on_written();
    };
    runtime_.disk.submit(std::move(work), std::move(done));
  }

  void on_written() {
    if (write_->no_room) return wait_for_room();
    if (!write_->outcome) return fail_for_good(write_->outcome.error());
    const bool news = durable_ != handed_over_;
    const bool grown = std::exchange(file_taken_, false);
    finish_write();
    // The disk first: it works while the listener does.
    if (state_ == State::closing) {
      go_on_closing();
    } else if (flush_wanted_ || sync_due_) {
      submit_next();
    } else if (gathered_.empty()) {
      gathered_.shrink();
      write_->records.shrink();
    }
    if (options_.mode == SyncMode::interval && !unsynced_.empty()) start_timer();
    if (grown && state_ == State::open) spares_.keep(spares_wanted());
    if (news) notify([this, durable = durable_] { listener_.on_durable(durable); });
    if (grown && state_ == State::open) ask_for_release();
  }

  void finish_write() {
    busy_ = false;
    // A slow sync is believed at once; quick ones must be the rule again.
    usual_took_ = std::max(write_->took, (usual_took_ * 7 + write_->took) / 8);
    durable_ = handed_over_;
    if (write_->sync) synced_ = handed_over_;
    write_->records.clear();
  }

  // What was appended, then the syncs that weaker modes have put off, then an empty group that states all of
  // it durable: from now on damage anywhere in the log can be told from a torn tail. At last the header says
  // that this is the end, which saves the next start looking for one.
  void go_on_closing() {
    if (!gathered_.empty() || !unsynced_.empty()) return submit_next();
    if (!stated_) {
      stated_ = true;
      open_group();
      return submit_next();
    }
    seal();
  }

  void seal() {
    LogFileHeader& header = chain_.back()->header;
    header.sealed_at = position_ <= UINT32_MAX ? static_cast<std::uint32_t>(position_) : 0;
    ++header.generation;
    auto outcome = std::make_shared<result<void>>();
    Task work = [outcome, file = chain_.back(), header] {
      *outcome = write_log_file_header_durably(*file->file, header);
    };
    runtime_.disk.submit(std::move(work), [this, outcome, life = std::weak_ptr<char>(life_)] {
      if (life.expired()) return;
      if (!*outcome) return fail_for_good(outcome->error());
      state_ = State::closed;
      std::exchange(closed_, nullptr)();
    });
  }

  void fail_for_good(const Error& error) {
    state_ = State::failed;
    if (!options_.on_failure) end_process(options_.directory, error);
    options_.on_failure(error);
  }

  // Until something urgent is appended, or the time is over.
  void flush_later() {
    if (std::exchange(settle_timer_running_, true)) return;
    start_timer(kSettleDelay, [this] {
      settle_timer_running_ = false;
      if (state_ != State::open || gathered_.empty()) return;
      flush_wanted_ = true;
      if (!busy_) submit_next();
    });
  }

  void wait_for_room() {
    room_wanted_ = true;
    start_timer(kRoomRetry, [this] {
      if (room_wanted_) submit_next();
    });
  }

  void start_timer() {
    if (std::exchange(timer_running_, true)) return;
    start_timer(options_.sync_interval, [this] {
      timer_running_ = false;
      if (state_ != State::open || unsynced_.empty()) return;
      sync_due_ = true;
      if (!busy_) submit_next();
    });
  }

  template <class F>
  void start_timer(Nanoseconds delay, F then) {
    runtime_.timers.start(delay, [then, life = std::weak_ptr<char>(life_)]() mutable {
      if (!life.expired()) then();
    });
  }

  template <class F>
  void notify(F call) {
    const bool nested = std::exchange(notifying_, true);
    call();
    notifying_ = nested;
  }

  std::size_t spares_wanted() const {
    return options_.files - std::min<std::size_t>(options_.files, chain_.size());
  }

  void ask_for_release() {
    if (chain_.size() < options_.files) return;
    std::size_t files = chain_.size() - options_.files + 1;
    // The group on its way may have begun further files; their turn comes when it is durable.
    while (files > asked_ && chain_[files]->header.first > durable_.next()) --files;
    if (files <= asked_) return;
    asked_ = files;
    const Lsn through(chain_[files]->header.first.value - 1);
    notify([this, through] { listener_.on_log_pressure(through); });
  }

  const runtime::ShardRuntime runtime_;
  const LogOptions options_;
  LogListener& listener_;
  Prng salts_;

  std::deque<FilePtr> chain_;  // the files that hold what is not released; the last is written to
  LogSpares spares_;
  std::size_t asked_ = 0;          // files at the front of chain_ that the listener knows of
  std::vector<FilePtr> unsynced_;  // written to since their last sync (weaker modes)
  std::uint64_t position_;         // in the last file, behind all that was handed over
  const std::uint32_t epoch_;

  // appended_ >= handed_over_ >= durable_ >= synced_
  Lsn appended_;
  Lsn handed_over_;
  Lsn durable_;  // as the listener knows it
  Lsn synced_;   // what groups may state

  GroupBuffer gathered_;
  std::shared_ptr<GroupWrite> write_;  // the disk's while busy_
  Nanoseconds usual_took_{};
  State state_ = State::open;
  bool busy_ = false;
  bool flush_wanted_ = false;
  bool urgent_ = false;  // of what is gathered, something that may not wait
  bool settle_timer_running_ = false;
  bool sync_due_ = false;
  bool file_taken_ = false;
  bool notifying_ = false;
  bool timer_running_ = false;
  bool room_wanted_ = false;  // a write waits for room on the disk
  bool stated_ = false;       // the closing group was written
  Task closed_;
  std::shared_ptr<char> life_ = std::make_shared<char>();  // completions look whether the log is still there
};

}  // namespace

result<std::unique_ptr<Log>> Log::open(runtime::ShardRuntime runtime, const LogOptions& options,
                                       Lsn checkpointed, LogListener& listener,
                                       const std::function<void(const Record&)>& replay,
                                       LogRecovery& recovery) {
  MILLRACE_ASSERT(options.files >= 2, "a log needs a file to write to and one to release");
  recovery = {};
  auto recovered = recover_log(runtime.files, options, checkpointed, replay, recovery);
  if (!recovered) return recovered.error();
  auto log = std::make_unique<ShardLog>(runtime, options, listener, std::move(*recovered), recovery.corrupt);
  if (auto started = log->start(); !started) return started.error();
  return std::unique_ptr<Log>(std::move(log));
}

}  // namespace millrace::storage
