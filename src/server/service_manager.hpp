// What a service manager (systemd) is told and asks for: that the broker serves, ends, and is alive; and
// where its log goes. Without one, by the environment, all of it does nothing.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "server/config.hpp"

namespace millrace::server {

class ServiceManager {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID (sd_notify(3), sd_watchdog_enabled(3)).
  explicit ServiceManager(const Environment& environment);

  // Sends "READY=1" and the like, lines of assignments; never waits. A manager that does not listen misses
  // it, which its own time limits notice. Any thread.
  void tell(std::string_view assignments) const noexcept;

  // How often "WATCHDOG=1" is to be sent: half of the time after which the manager gives up. Empty: not asked
  // for.
  std::optional<std::chrono::milliseconds> watchdog_interval() const noexcept { return watchdog_interval_; }

 private:
  std::string
      socket_;  // a path, or with '@' in front a name in the abstract namespace; empty: nobody to tell
  std::optional<std::chrono::milliseconds> watchdog_interval_;
};

// Whether standard error is the journal's socket, by JOURNAL_STREAM (systemd.exec(5)): then a line's level is
// put in front of it as the journal reads it, and the time is the journal's.
bool stderr_is_journal(const Environment& environment) noexcept;

}  // namespace millrace::server
