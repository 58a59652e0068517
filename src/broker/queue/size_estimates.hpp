// How long a kind of work takes, learned from how long consumers have held messages of that kind until they
// acknowledged them: a moving average for each name. Thread: the queue's shard.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace millrace::broker {

class SizeEstimates {
 public:
  // Of a name that finds no room only the average over all names learns.
  static constexpr std::size_t kMaxNames = 1024;
  static constexpr double kShare = 0.125;  // of the newest in the average

  struct Estimate {
    double mean_us = 0;
    std::uint64_t samples = 0;
    double noted_us = 0;  // what the log knows
  };

  // Of a name that is not known yet: the average over all.
  double mean_us(std::string_view name) const noexcept;
  // Returns what is worth noting for a restart: an estimate that is new, or has moved by a quarter since it
  // was noted. Null: nothing.
  const Estimate* learn(std::string_view name, double us);
  void restore(std::string_view name, double us, std::uint64_t samples);

  const std::map<std::string, Estimate, std::less<>>& names() const noexcept { return names_; }
  std::size_t size() const noexcept { return names_.size(); }

 private:
  std::map<std::string, Estimate, std::less<>> names_;
  Estimate all_;
};

}  // namespace millrace::broker
