#include "log_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace::storage {
namespace {

constexpr const char* kDirectory = "shard-0";

// One line for a record; long texts differ in their front.
std::string line_of(Lsn lsn, std::uint64_t entity, std::string_view text) {
  return std::to_string(lsn.value) + " " + std::to_string(entity) + " " + std::string(text);
}

std::string brief(const std::vector<std::string>& lines, std::size_t at) {
  return at < lines.size() ? "'" + lines[at].substr(0, 40) + "'" : "nothing";
}

}  // namespace

LogWorld::LogWorld(std::uint64_t seed, SyncMode mode)
    : files({seed, seed % 2 == 0 ? std::size_t{512} : std::size_t{4096}}), luck_(seed) {
  options_.directory = kDirectory;
  options_.file_bytes = (8u << 10) << luck_.below(3);
  options_.files = 2 + static_cast<unsigned>(luck_.below(3));
  options_.mode = mode;
  options_.sync_interval = runtime::Milliseconds(1 + luck_.below(20));
  options_.on_failure = [this](const Error&) {
    failed_ = true;
    scheduler_->halt();
  };
  EXPECT_TRUE(files.create_directories(kDirectory));
  EXPECT_TRUE(files.sync_directory("."));
}

LogWorld::~LogWorld() {
  log_.reset();
}

bool LogWorld::open() {
  scheduler_ = std::make_unique<simulation::Scheduler>(luck_.next());
  shard_ = &scheduler_->add_shard();
  reported_ = Lsn(0);
  failed_ = closing_ = false;
  std::vector<std::string> replayed;
  auto opened = Log::open(
      shard_->runtime(files), options_, checkpointed_, *this,
      [&](const Record& record) {
        replayed.push_back(line_of(record.lsn, record.entity, as_text(record.payload)));
      },
      recovery_);
  if (!opened) {
    failed_ = true;
    return false;
  }
  log_ = std::move(*opened);
  EXPECT_FALSE(recovery_.corrupt) << recovery_.corruption;
  EXPECT_EQ(recovery_.records, replayed.size());
  if (recovery_.corrupt) return false;
  compare(replayed);
  if (luck_.one_in(2)) {
    LogRecovery again;
    auto copy = files.clone();
    const auto second = replay_of(*copy, again);
    EXPECT_TRUE(second == replayed) << "a second recovery found something else";
    EXPECT_FALSE(again.corrupt) << again.corruption;
    EXPECT_EQ(again.bytes_cut, 0u);
  }
  return true;
}

// The history goes on from what the log says it was.
void LogWorld::compare(const std::vector<std::string>& replayed) {
  const auto wanted = expected();
  const std::size_t count = std::min(wanted.size(), replayed.size());
  for (std::size_t at = 0; at < std::max(count, replayed.size()); ++at) {
    if (at < count && wanted[at] == replayed[at]) continue;
    ADD_FAILURE() << "replayed " << brief(replayed, at) << " where history has " << brief(wanted, at);
    return;
  }
  while (!history_.empty() && history_.front().lsn <= checkpointed_) history_.pop_front();
  if (replayed.size() < history_.size()) {
    EXPECT_GT(history_[replayed.size()].lsn, outlives_us_) << "a promised record is lost";
    history_.resize(replayed.size());
  }
  // Recovery has made durable all that it found, and so was the start of the epoch.
  survives_ = outlives_us_ = log_->durable();
  EXPECT_EQ(log_->durable(), log_->appended());
  EXPECT_GT(log_->durable(), checkpointed_);
}

std::vector<std::string> LogWorld::expected() const {
  std::vector<std::string> lines;
  for (const Appended& record : history_) {
    if (record.lsn > checkpointed_) lines.push_back(line_of(record.lsn, record.entity, record.text));
  }
  return lines;
}

std::optional<std::vector<std::string>> LogWorld::replay_of(simulation::FileSystem& disk,
                                                            LogRecovery& recovery) {
  simulation::Scheduler scheduler(1);
  std::vector<std::string> lines;
  auto opened = Log::open(
      scheduler.add_shard().runtime(disk), options_, checkpointed_, *this,
      [&](const Record& record) {
        lines.push_back(line_of(record.lsn, record.entity, as_text(record.payload)));
      },
      recovery);
  if (!opened) return std::nullopt;
  return lines;
}

void LogWorld::append() {
  static constexpr std::size_t kSizes[] = {0, 10, 60, 400, 1100, 3500};
  const std::size_t bytes = luck_.below(kSizes[luck_.below(std::size(kSizes))] + 1);
  std::string text = "#" + std::to_string(++serial_) + " ";
  text.resize(std::max(text.size(), bytes), static_cast<char>('a' + serial_ % 26));
  const std::string_view view = text;
  const std::size_t half = view.size() / 2;
  const ByteView parts[] = {as_bytes(view.substr(0, half)), as_bytes(view.substr(half))};
  const Lsn lsn = log_->append(RecordType::message, 0, serial_ % 5, parts);
  EXPECT_TRUE(history_.empty() || lsn > history_.back().lsn);
  history_.push_back({lsn, serial_ % 5, std::move(text)});
}

void LogWorld::turn() {
  for (std::uint64_t count = luck_.below(6); count != 0 && !failed(); --count) append();
  if (failed()) return;
  if (!luck_.one_in(4)) log_->flush(luck_.one_in(2));
  if (luck_.one_in(30)) checkpoint(log_->durable());
  switch (luck_.below(4)) {
    case 0:
      break;
    case 1:
      for (std::uint64_t steps = luck_.below(8); steps != 0; --steps) scheduler_->step();
      break;
    case 2:
      scheduler_->run_for(std::chrono::microseconds(luck_.below(5000)));
      break;
    default:
      scheduler_->run_until_idle();
  }
}

void LogWorld::settle() {
  if (!failed()) log_->flush(false);
  scheduler_->run_until_idle();
}

bool LogWorld::close() {
  bool closed = false;
  closing_ = true;
  log_->close([&] { closed = true; });
  scheduler_->run_until_idle();
  if (closed) survives_ = outlives_us_ = log_->appended();
  return closed;
}

void LogWorld::die(Death how) {
  scheduler_.reset();
  log_.reset();
  if (how == Death::kill && !files.powered_off()) return files.forget_faults();
  files.crash(luck_);
  outlives_us_ = survives_;
}

void LogWorld::cut_power_at(std::uint64_t step) {
  files.crash_at(files.steps() + step, [this] {
    if (scheduler_ != nullptr) scheduler_->halt();
  });
}

void LogWorld::fail_at(std::uint64_t step) {
  files.fail_at(files.steps() + step);
}

void LogWorld::on_durable(Lsn durable) {
  EXPECT_GT(durable, reported_);
  EXPECT_LE(durable, log_->appended());
  reported_ = durable;
  outlives_us_ = durable;
  if (options_.mode == SyncMode::sync) survives_ = durable;
  if (luck_.one_in(8) && !closing_) {
    append();
    log_->flush(luck_.one_in(2));
  }
}

void LogWorld::on_log_pressure(Lsn through) {
  EXPECT_LE(through, log_->durable());
  // Sometimes the checkpoint takes its time.
  if (luck_.one_in(3)) return checkpoint(through);
  shard_->start(std::chrono::microseconds(luck_.below(20000)), [this, through] { checkpoint(through); });
}

void LogWorld::checkpoint(Lsn through) {
  if (through > checkpointed_) checkpointed_ = through;
  log_->release(through);
}

}  // namespace millrace::storage
