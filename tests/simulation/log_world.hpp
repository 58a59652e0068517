// A machine with one shard log on it, and what its owner may rely on.
//
// The world runs a random load through as many lives of the log as a test likes: the process dies, the power
// goes, a step of I/O fails. After every recovery the log is held against the history of all that was
// appended:
//   - what is replayed is a prefix of it, to the byte, so nothing that was cut ever comes back;
//   - the prefix holds everything that the log had promised;
//   - the log is not called corrupt;
//   - another recovery of the same disk finds the same.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "simulation/file_system.hpp"
#include "simulation/scheduler.hpp"
#include "storage/log.hpp"

namespace millrace::storage {

class LogWorld final : public LogListener {
 public:
  enum class Death { kill, power_cut };

  LogWorld(std::uint64_t seed, SyncMode mode);
  ~LogWorld() override;

  // A new life. False when the power or a step failed in it; the world then wants die() before the next try.
  // Failed expectations are reported to GoogleTest.
  bool open();
  // Some appends, perhaps a flush, and a while of the machine's time.
  void turn();
  // Until nothing is left to happen.
  void settle();
  // A clean end. False when the machine failed first.
  bool close();
  // The end of this life; faults that were asked for are forgotten.
  void die(Death how);
  bool failed() const noexcept { return failed_ || files.powered_off(); }

  // The power goes, or I/O fails, in that step from now.
  void cut_power_at(std::uint64_t step);
  void fail_at(std::uint64_t step);

  std::size_t records() const noexcept { return history_.size(); }
  Lsn checkpointed() const noexcept { return checkpointed_; }
  const LogOptions& options() const noexcept { return options_; }
  const LogRecovery& recovery() const noexcept { return recovery_; }
  // What a log on these files replays; none when it cannot be opened.
  std::optional<std::vector<std::string>> replay_of(simulation::FileSystem& files, LogRecovery& recovery);
  // The whole of the history above the checkpoint.
  std::vector<std::string> expected() const;

  simulation::FileSystem files;

 private:
  struct Appended {
    Lsn lsn;
    std::uint64_t entity;
    std::string text;
  };

  void on_durable(Lsn durable) override;
  void on_log_pressure(Lsn through) override;
  void append();
  void checkpoint(Lsn through);
  void compare(const std::vector<std::string>& replayed);

  Prng luck_;
  LogOptions options_;
  std::unique_ptr<simulation::Scheduler> scheduler_;
  simulation::Shard* shard_ = nullptr;
  std::unique_ptr<Log> log_;
  LogRecovery recovery_;
  std::deque<Appended> history_;
  std::uint64_t serial_ = 0;
  Lsn checkpointed_;
  Lsn reported_;     // to be durable, in this life
  Lsn survives_;     // whatever happens
  Lsn outlives_us_;  // while the machine is on
  bool failed_ = false;
  bool closing_ = false;
};

}  // namespace millrace::storage
