// Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::management {

// As it stands between the quotes of a label.
std::string label_value(std::string_view text);

// The samples of a family follow it; a family comes once.
class MetricsText {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(std::uint64_t value, std::string_view labels = {});
  // Exact to the microsecond, without an exponent.
  void sample_seconds(std::uint64_t us, std::string_view labels = {});
  // A family of one sample.
  void gauge(std::string_view name, std::string_view help, std::uint64_t value);
  void counter(std::string_view name, std::string_view help, std::uint64_t value,
               std::string_view labels = {});
  // Of a histogram: `count` is of what is not beyond `end`. Times are in seconds, as Prometheus' conventions
  // have it.
  void bucket(std::string_view end, std::uint64_t count, std::string_view labels);
  void sum_and_count(std::string_view sum, std::uint64_t count, std::string_view labels);

  static std::string seconds(std::uint64_t us);
  std::string& text() noexcept { return text_; }

 private:
  void put(std::string_view suffix, std::string_view labels, std::string_view value);

  std::string name_;
  std::string text_;
};

}  // namespace millrace::management
