// The order in which a queue serves what is ready: the argument x-scheduling or the policy key scheduling,
// and what goes with it (x-rank-…). docs/scheduling.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/value.hpp"

namespace millrace::broker {

enum class Scheduling : std::uint8_t {
  fifo,               // first come, first served; by priority levels if the queue has them
  lifo,               // the latest first
  priority,           // the highest number first
  shortest_job,       // the least work first
  aged_shortest_job,  // likewise, but waiting counts: nothing starves
  earliest_deadline,  // the one that is due first
  fair,               // each key (tenant) in turn, by weight
};
std::string_view to_string(Scheduling order) noexcept;
std::optional<Scheduling> scheduling_named(std::string_view name) noexcept;

struct SchedulingSettings {
  static constexpr double kDefaultAgeing = 0.03;

  Scheduling order = Scheduling::fifo;
  // Where the priority, the work in milliseconds, the deadline or the key is; empty: the order's own default.
  std::string header;
  std::string name_header;  // what kind of work it is, for learned sizes; empty: `task`
  double ageing =
      kDefaultAgeing;         // of aged_shortest_job: this part of what it has waited is taken off its work
  bool cost_is_size = false;  // of fair: a message counts by its work, not as one
  std::vector<std::pair<std::string, double>> weights;  // of fair, by key, sorted; the others weigh 1

  // Ranks that were given by other settings mean nothing.
  std::uint32_t fingerprint() const noexcept;
  double weight_of(std::string_view key) const noexcept;

  friend bool operator==(const SchedulingSettings&, const SchedulingSettings&) = default;
};

inline constexpr std::string_view kSchedulingNames[] = {"fifo",     "lifo", "priority", "sjf",
                                                        "aged-sjf", "edf",  "fair"};
inline constexpr std::size_t kMaxWeights = 1024;
inline constexpr double kMinWeight = 1e-3, kMaxWeight = 1e6;
inline constexpr double kMinAgeing = 1e-6, kMaxAgeing = 1e6;

// A number however it was written: integer, real, decimal (AMQP 0-9-1 §4.2.5.5), or digits in a text. Not a
// truth value, not a time.
std::optional<double> number_in(const Value& value) noexcept;

}  // namespace millrace::broker
