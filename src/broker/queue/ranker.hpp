// Gives messages their rank: the number that a queue serves by, the least first, and among equals the oldest.
// A rank is given once and stays, so that the order is one of fixed numbers whatever the policy:
//
//   fifo        −level                        (with levels of priority, the highest first)
//   lifo        −sequence number
//   priority    −priority
//   sjf         work
//   aged-sjf    arrival + work / ageing       all age alike, so that age need not be looked at again
//   edf         deadline
//   fair        max(V, F of the key)          start-time fair queueing (Goyal, Vin, Cheng 1997): V is the
//                                             rank served last, or the highest F when all is done; F grows
//                                             by cost / weight
//
// Times are in microseconds, priorities in millionths. Thread: the queue's shard.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/message.hpp"
#include "broker/queue/scheduling.hpp"
#include "broker/queue/size_estimates.hpp"

namespace millrace::broker {

// How a queue looks into messages.
class MessageLook {
 public:
  virtual ~MessageLook() = default;
  virtual std::optional<Value> header_value(const Message& message, std::string_view name) = 0;
  // By the name that MessageFormat::property knows.
  virtual std::optional<std::string> property_text(const Message& message, std::string_view name) = 0;
};

class Ranker {
 public:
  // Keys of which nothing waits any more are forgotten when there are more than this, or twice as many as
  // there were left the last time.
  static constexpr std::size_t kMinKeys = 1024;
  // What neither has a deadline nor expires is due after all that does.
  static constexpr std::int64_t kLast = INT64_MAX;

  struct Rank {
    std::int64_t value = 0;
    bool follows = true;  // from the message alone: a restart comes by it again
  };

  explicit Ranker(SchedulingSettings settings);

  const SchedulingSettings& settings() const noexcept { return settings_; }
  // Ranks of one key must be asked for in the order in which its messages came.
  Rank rank(MessageLook& look, const Message& message, std::uint64_t seq, unsigned level);
  // The message was given this rank before a restart. Returns it, or that of which the order of its key is
  // still kept: others of the key may have been ranked anew.
  std::int64_t restore(MessageLook& look, const Message& message, std::int64_t rank);
  void served(std::int64_t rank) noexcept {
    if (rank > virtual_time_) virtual_time_ = rank;
  }
  // Nothing waits and nothing is being worked on: nobody is ahead of anybody.
  void idle() noexcept { served(last_finish_); }
  // What was served last before a restart, or a little later.
  void restore_virtual_time(std::int64_t rank) noexcept { virtual_time_ = rank; }

  bool learns() const noexcept;
  std::string job_name(MessageLook& look, const Message& message) const;
  SizeEstimates& estimates() noexcept { return estimates_; }
  const SizeEstimates& estimates() const noexcept { return estimates_; }

 private:
  struct Size {
    double us = 0;
    bool given = true;
  };
  Size size_of(MessageLook& look, const Message& message, std::string_view header) const;
  std::int64_t deadline_of(MessageLook& look, const Message& message) const;
  std::string key_of(MessageLook& look, const Message& message) const;
  std::int64_t cost_of(MessageLook& look, const Message& message, std::string_view key) const;
  void finish(std::string key, std::int64_t time);

  SchedulingSettings settings_;
  SizeEstimates estimates_;
  std::int64_t virtual_time_ = 0;
  boost::unordered_flat_map<std::string, std::int64_t>
      finished_;                  // F, by key; what is not above V says nothing
  std::int64_t last_finish_ = 0;  // the highest F
  std::size_t keys_max_ = kMinKeys;
};

}  // namespace millrace::broker
