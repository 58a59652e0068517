// What became of spans, for /metrics.
#pragma once

#include <cstdint>

namespace millrace::management::otlp {

struct SpanFigures {
  std::uint64_t sent = 0;
  std::uint64_t dropped = 0;  // refused by the collector, or too many
};

}  // namespace millrace::management::otlp
