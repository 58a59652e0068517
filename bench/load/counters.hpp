// What all producers and consumers of a run count together.
#pragma once

#include <cstdint>

#include "load/histogram.hpp"

namespace millrace::load {

struct Counters {
  std::uint64_t published = 0;  // handed to the socket's buffer
  std::uint64_t confirmed = 0;
  std::uint64_t delivered = 0;    // verified; with fan-out once for each queue
  std::uint64_t redelivered = 0;  // of these, marked so
  bool measuring = false;         // whether latencies are recorded
  Histogram
      delivery_latency;       // from the send, or from when it was due with --rate, to the delivery's arrival
  Histogram confirm_latency;  // likewise to the confirm's
};

}  // namespace millrace::load
