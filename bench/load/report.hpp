// What a run found out, as text for people and as one JSON object for programs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "load/histogram.hpp"

namespace millrace::load {

class Report {
 public:
  // `name` is the key in JSON and names its unit; `unit` is printed behind the number.
  void add(std::string_view name, double value, std::string_view unit);
  void add_count(std::string_view name, std::uint64_t value) { add(name, static_cast<double>(value), ""); }
  // Quantiles in microseconds, as NAME_p50_us and so on. Nothing if nothing was recorded.
  void add_latency(std::string_view name, const Histogram& histogram);
  // All of another report, its names prefixed.
  void append(std::string_view prefix, const Report& other);

  std::string text() const;
  std::string json() const;

 private:
  struct Line {
    std::string name;
    double value;
    std::string unit;
  };

  std::vector<Line> lines_;
};

}  // namespace millrace::load
