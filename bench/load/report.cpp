#include "load/report.hpp"

#include <fmt/format.h>

#include <boost/json/src.hpp>
#include <cmath>

namespace millrace::load {

void Report::add(std::string_view name, double value, std::string_view unit) {
  lines_.push_back({std::string(name), value, std::string(unit)});
}

void Report::add_latency(std::string_view name, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  constexpr struct {
    const char* name;
    double quantile;
  } kQuantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
  for (const auto& [label, quantile] : kQuantiles)
    add(fmt::format("{}_{}_us", name, label), static_cast<double>(histogram.quantile(quantile)) / 1000, "us");
  add(fmt::format("{}_max_us", name), static_cast<double>(histogram.max()) / 1000, "us");
}

void Report::append(std::string_view prefix, const Report& other) {
  for (const Line& line : other.lines_) add(fmt::format("{}_{}", prefix, line.name), line.value, line.unit);
}

std::string Report::text() const {
  std::string out;
  for (const Line& line : lines_) {
    const bool whole = line.value == std::floor(line.value) || std::abs(line.value) >= 1000;
    const std::string number = whole ? fmt::format("{:.0f}", line.value) : fmt::format("{:.3f}", line.value);
    out += fmt::format("{:<32} {:>16} {}\n", line.name, number, line.unit);
  }
  return out;
}

std::string Report::json() const {
  boost::json::object object;
  for (const Line& line : lines_) {
    if (line.value == std::floor(line.value) && std::abs(line.value) < 9e15)
      object[line.name] = static_cast<std::int64_t>(line.value);
    else
      object[line.name] = line.value;
  }
  return boost::json::serialize(object) + "\n";
}

}  // namespace millrace::load
