// Metrics of many objects: written in steps between which others are served, so that ten thousand queues keep
// nobody waiting.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "management/api.hpp"
#include "management/metrics_text.hpp"

namespace millrace::management {

// A family with the lines of each of its rows.
struct MetricsTable {
  std::string name;
  std::string_view type;
  std::string_view help;
  std::size_t rows = 0;
  // Writes a row and returns how many lines it has. Owns, or shares, what it looks at: a later step is a
  // later turn.
  std::function<std::size_t(MetricsText& out, std::size_t row)> put;
};

inline constexpr std::size_t kMetricsLinesPerStep = 4096;

// Answers with `begun` and the tables behind it. 503 when that is longer than Listing::kMaxAnswerBytes, or
// than there is room for (Api::hold_list_bytes).
void reply_metrics(Api& api, const CallRef& call, MetricsText begun, std::vector<MetricsTable> tables);

}  // namespace millrace::management
