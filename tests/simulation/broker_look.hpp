// A look at what is on a disk: a machine of its own recovers it and consumes everything.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker_machine.hpp"

namespace millrace::broker {

// What was found of a message.
struct Found {
  std::uint64_t id = 0;
  std::uint32_t deliveries = 0;
  bool redelivered = false;
  friend auto operator<=>(const Found&, const Found&) = default;
};
// By queue, in the order delivered; queues that are not there are missing.
using Contents = std::map<std::string, std::vector<Found>>;

struct LookWish {
  std::vector<std::string> queues;
  unsigned shards = 1;
  std::int64_t wall_ms = 0;
  std::int64_t until_ms = 0;    // something may still come until then
  bool stop_before = false;     // recovers and stops in order once before
  bool may_drop = false;        // some queue drops what came back above its bound
  std::uint64_t held_back = 0;  // messages that no queue has yet, at most
};

// Leaves `files` alone but for a stop that was wished for.
Contents look_at(simulation::FileSystem& files, const NodeOptions& options, const LookWish& wish, Prng& luck);

}  // namespace millrace::broker
