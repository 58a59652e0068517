#include "storage/log_recovery.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "storage/log_reader.hpp"
#include "storage/numbered_name.hpp"

namespace millrace::storage {
namespace {

using FilePtr = std::shared_ptr<LogFile>;

// Files are numbered from 1; a name above this is none of the log's.
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 62;

class Recovery {
 public:
  Recovery(runtime::FileSystem& files, const LogOptions& options, Lsn checkpointed,
           const std::function<void(const Record&)>& replay, LogRecovery& found)
      : files_(files), options_(options), checkpointed_(checkpointed), replay_(replay), found_(found) {}

  result<RecoveredLog> run() {
    if (auto scanned = scan(); !scanned) return scanned.error();
    choose_chain();
    if (auto walked = walk(); !walked) return walked.error();
    if (auto looked = look_behind_the_end(); !looked) return looked.error();
    judge();
    log_.last = Lsn(next_.value - 1);
    if (found_.corrupt) return std::move(log_);
    if (auto readied = ready(); !readied) return readied.error();
    return std::move(log_);
  }

 private:
  // A part of a file that nobody states to be durable; with the header when it starts at 0.
  struct Unproven {
    LogFile* file;
    std::uint64_t begin;
    std::uint64_t end;
  };

  void corrupt(std::string what) {
    if (!found_.corrupt) found_.corruption = std::move(what);
    found_.corrupt = true;
  }

  result<void> scan() {
    auto names = files_.list(options_.directory);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      const auto number = number_of(name, kLogFilePrefix);
      if (!number || *number > kMaxNumber) continue;
      if (auto scanned = scan_file(*number); !scanned) return scanned;
    }
    return {};
  }

  result<void> scan_file(std::uint64_t number) {
    log_.next_number = std::max(log_.next_number, number + 1);
    FilePtr file = new_log_file(options_, number);
    auto opened = files_.open(file->path, runtime::OpenMode::read_write);
    if (!opened) return opened.error();
    file->file = std::move(*opened);
    const auto size = file->file->size();
    if (!size) return size.error();
    file->bytes = *size;

    // The header block, and the first block of records behind it.
    std::vector<std::uint8_t> head(2 * kFileHeaderBlockBytes);
    if (const auto got = file->file->read(0, head); !got) return got.error();
    LogFileHeader header;
    switch (decode_file_header(head.data(), header)) {
      case FileHeaderState::blank: {
        const auto records = head.begin() + kFileHeaderBlockBytes;
        if (std::any_of(records, head.end(), [](std::uint8_t byte) { return byte != 0; })) {
          corrupt("'" + file->path + "': the header is gone, but there are records behind it");
        }
        unfinished_.push_back(std::move(file));
        return {};
      }
      case FileHeaderState::damaged:
        corrupt("'" + file->path + "': neither copy of the header can be read");
        return {};
      case FileHeaderState::newer:
        return fail(Errc::precondition_failed,
                    "'" + file->path + "' was written by a newer version of Millrace: start that version");
      case FileHeaderState::mended:
        mended_.push_back(file);
        break;
      case FileHeaderState::sound:
        break;
    }
    if (header.number != number) {
      corrupt("'" + file->path + "': the header belongs to the file with number " +
              std::to_string(header.number));
      return {};
    }
    file->header = header;
    log_.epoch = std::max(log_.epoch, header.epoch);
    (header.spare() ? log_.spares : used_).push_back(std::move(file));
    return {};
  }

  // Sorts the used files and puts those away that end at or below the checkpoint.
  void choose_chain() {
    std::sort(used_.begin(), used_.end(), [](const FilePtr& a, const FilePtr& b) {
      return std::tuple(a->header.first, a->header.epoch, a->header.generation) <
             std::tuple(b->header.first, b->header.epoch, b->header.generation);
    });
    while (used_.size() > 1 && used_[1]->header.first <= checkpointed_.next()) {
      log_.spares.push_back(std::move(used_.front()));
      used_.pop_front();
    }
    next_ = checkpointed_.next();
  }

  result<void> walk() {
    if (used_.empty() || used_.front()->header.first > next_) return {};
    next_ = used_.front()->header.first;
    while (!used_.empty() && used_.front()->header.first == next_ && used_.front()->header.epoch >= epoch_) {
      if (log_.chain.size() != 0 && log_.chain.back()->header.first == next_) {
        // An empty file in front of another that begins at the same place: the later one counts.
        unproven_.pop_back();
        log_.spares.push_back(std::move(log_.chain.back()));
        log_.chain.pop_back();
      }
      log_.chain.push_back(std::move(used_.front()));
      used_.pop_front();
      if (auto walked = walk_file(*log_.chain.back()); !walked) return walked;
    }
    return {};
  }

  result<void> walk_file(LogFile& file) {
    epoch_ = file.header.epoch;
    if (!unproven_.empty() && unproven_.back().end == 0) unproven_.back().end = log_.position;
    unproven_.push_back({&file, 0, 0});
    log_.position = kFileHeaderBlockBytes;
    state(file.header.durable, file.header.first);
    reader_.emplace(*file.file, file.bytes, file.header.salt);
    Record record;
    std::uint64_t bytes = 0;
    while (true) {
      switch (reader_->read(log_.position, record, bytes)) {
        case LogReader::Outcome::io_failed:
          return reader_->error();
        case LogReader::Outcome::bad:
          return {};
        case LogReader::Outcome::sound:
          break;
      }
      if (record.lsn != next_ || record.epoch < epoch_ || record.epoch > kMaxEpoch) return {};
      epoch_ = record.epoch;
      log_.epoch = std::max(log_.epoch, epoch_);
      found_.epoch = epoch_;
      if (record.type == RecordType::commit_group && record.payload.size() == sizeof(std::uint64_t)) {
        state(Lsn(load_le<std::uint64_t>(record.payload.data())), record.lsn);
      }
      if (record.type >= kFirstForeignType && record.lsn > checkpointed_) {
        ++found_.records;
        replay_(record);
      }
      log_.position += bytes;
      next_ = next_.next();
    }
  }

  // A statement at the current position, or in the header, speaks of what lies before it.
  void state(Lsn durable, Lsn before) {
    if (durable < before) stated_ = std::max(stated_, durable);
    if (durable.next() != before) return;
    unproven_.erase(unproven_.begin(), unproven_.end() - 1);
    if (log_.position != kFileHeaderBlockBytes) unproven_.back().begin = log_.position;
  }

  result<void> look_behind_the_end() {
    const Lsn last(next_.value - 1);
    // Behind a seal there is nothing: it is taken away before the log goes on.
    if (!log_.chain.empty() && log_.chain.back()->header.sealed_at != log_.position) {
      const auto beyond = reader_->look_beyond(log_.position, last, epoch_);
      if (!beyond) return beyond.error();
      stated_ = std::max(stated_, beyond->stated_durable);
      if (beyond->end_offset > log_.position) found_.bytes_cut += beyond->end_offset - log_.position;
    }
    for (const FilePtr& file : used_) {
      if (file->header.first <= last || file->header.epoch < epoch_) continue;
      if (file->header.durable < file->header.first) stated_ = std::max(stated_, file->header.durable);
      LogReader reader(*file->file, file->bytes, file->header.salt);
      const auto beyond =
          reader.look_beyond(kFileHeaderBlockBytes, Lsn(file->header.first.value - 1), file->header.epoch);
      if (!beyond) return beyond.error();
      stated_ = std::max(stated_, beyond->stated_durable);
      if (beyond->end_offset != 0) found_.bytes_cut += beyond->end_offset - kFileHeaderBlockBytes;
    }
    return {};
  }

  void judge() {
    const Lsn last(next_.value - 1);
    const std::string place =
        log_.chain.empty() ? "'" + options_.directory + "'"
                           : "'" + log_.chain.back()->path + "' at byte " + std::to_string(log_.position);
    // What the checkpoint covers may be gone: its file may be in use anew, with the new header unsynced.
    if (stated_ > std::max(last, checkpointed_)) {
      corrupt(place + ": record " + std::to_string(next_.value) + " is bad or missing, but all up to " +
              std::to_string(stated_.value) + " were durable");
      return;
    }
    if (log_.chain.empty()) {
      const bool files_are_gone = used_.empty() && log_.spares.empty() && options_.mode == SyncMode::sync;
      if (checkpointed_.value != 0 && (files_are_gone || (!used_.empty() && used_.front()->header.synced))) {
        corrupt(place + ": the log file that follows on the checkpoint (at record " +
                std::to_string(checkpointed_.value) + ") is missing");
      }
      return;
    }
    // Without syncs the checkpoint may well have outlived the records that it covers.
    if (last < checkpointed_ && log_.chain.back()->header.synced) {
      corrupt(place + ": the log ends at record " + std::to_string(last.value) +
              ", but the checkpoint covers all up to " + std::to_string(checkpointed_.value));
    }
  }

  // Nothing of it changes what the next recovery finds if it ends half-way.
  result<void> ready() {
    if (next_ <= checkpointed_) {
      for (FilePtr& file : log_.chain) used_.push_back(std::move(file));
      log_.chain.clear();
      next_ = checkpointed_.next();
      log_.last = checkpointed_;
    }
    if (auto made = make_chain_durable(); !made) return made;
    for (FilePtr& file : used_) {
      file->header.first = Lsn(0);
      file->header.durable = Lsn(0);
      file->header.sealed_at = 0;
      if (auto changed = change_header(*file); !changed) return changed;
      log_.spares.push_back(std::move(file));
    }
    for (const FilePtr& file : mended_) {
      if (auto changed = change_header(*file); !changed) return changed;
    }
    if (auto put_away = put_away_useless_files(); !put_away) return put_away;
    return ready_for_records();
  }

  result<void> make_chain_durable() {
    if (log_.chain.empty()) return {};
    LogFile& tail = *log_.chain.back();
    unproven_.back().end = log_.position;
    for (const Unproven& part : unproven_) {
      if (auto written = write_again(part); !written) return written;
    }
    for (const FilePtr& file : log_.chain) {
      if (auto synced = file->file->sync_data(); !synced) return synced;
    }
    const bool synced = options_.mode == SyncMode::sync;
    if (tail.bytes < options_.file_bytes) {
      if (auto grown = tail.file->allocate(options_.file_bytes); !grown) return grown;
      if (auto kept = tail.file->sync_data(); !kept) return kept;
      tail.bytes = options_.file_bytes;
    }
    if (tail.header.synced == synced && tail.header.sealed_at == 0) return {};
    tail.header.synced = synced;
    tail.header.sealed_at = 0;
    return change_header(tail);
  }

  result<void> write_again(const Unproven& part) {
    const std::uint64_t piece_bytes = 1u << 20;
    std::vector<std::uint8_t> piece;
    for (std::uint64_t at = part.begin; at < part.end; at += piece.size()) {
      piece.resize(std::min(piece_bytes, part.end - at));
      const auto got = part.file->file->read(at, piece);
      if (!got) return got.error();
      if (*got != piece.size()) return fail(Errc::io_error, "'" + part.file->path + "' has become shorter");
      if (auto written = part.file->file->write(at, piece); !written) return written;
    }
    return {};
  }

  result<void> change_header(LogFile& file) {
    ++file.header.generation;
    return write_log_file_header_durably(*file.file, file.header);
  }

  // Files that were being made when the power went, and spares of another size.
  result<void> put_away_useless_files() {
    std::deque<FilePtr> spares;
    for (FilePtr& file : log_.spares) {
      (file->bytes == options_.file_bytes ? spares : unfinished_).push_back(std::move(file));
    }
    log_.spares = std::move(spares);
    if (unfinished_.empty()) return {};
    for (FilePtr& file : unfinished_) {
      file->file.reset();
      if (auto removed = files_.remove(file->path); !removed) return removed;
    }
    return files_.sync_directory(options_.directory);
  }

  result<void> ready_for_records() {
    // Of the chain, those before the last are written to when they are spares again.
    for (const auto* files : {&log_.spares, &log_.chain}) {
      for (const FilePtr& file : *files) {
        if (auto opened = open_blocks(files_, *file); !opened) return opened;
      }
    }
    return log_.chain.empty() ? result<void>{} : load_last_block(*log_.chain.back(), log_.position);
  }

  runtime::FileSystem& files_;
  const LogOptions& options_;
  const Lsn checkpointed_;
  const std::function<void(const Record&)>& replay_;
  LogRecovery& found_;

  RecoveredLog log_;
  std::deque<FilePtr> used_;         // not, or not yet, part of the chain
  std::deque<FilePtr> unfinished_;   // to be removed
  std::vector<FilePtr> mended_;      // whose header must be written again
  std::optional<LogReader> reader_;  // of the last file walked
  Lsn next_;                         // the LSN that the log goes on with
  Lsn stated_;                       // the highest LSN stated to be durable
  std::uint32_t epoch_ = 0;          // of the last record walked
  std::vector<Unproven> unproven_;   // at the chain's end; the last one is of the last file walked
};

}  // namespace

result<RecoveredLog> recover_log(runtime::FileSystem& files, const LogOptions& options, Lsn checkpointed,
                                 const std::function<void(const Record&)>& replay, LogRecovery& recovery) {
  return Recovery(files, options, checkpointed, replay, recovery).run();
}

}  // namespace millrace::storage
