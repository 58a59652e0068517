#include "management/metrics_text.hpp"

#include "base/utf8.hpp"

namespace millrace::management {

std::string label_value(std::string_view text) {
  std::string out;
  for (const char c : as_utf8(text)) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

void MetricsText::put(std::string_view suffix, std::string_view labels, std::string_view value) {
  (text_ += name_) += suffix;
  if (!labels.empty()) ((text_ += '{') += labels) += '}';
  ((text_ += ' ') += value) += '\n';
}

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  ((((text_ += "# TYPE ") += name) += ' ') += type) += '\n';
  ((((text_ += "# HELP ") += name) += ' ') += help) += '\n';
}

void MetricsText::sample(std::uint64_t value, std::string_view labels) {
  put("", labels, std::to_string(value));
}

void MetricsText::sample_seconds(std::uint64_t us, std::string_view labels) {
  put("", labels, seconds(us));
}

void MetricsText::gauge(std::string_view name, std::string_view help, std::uint64_t value) {
  family(name, "gauge", help);
  sample(value);
}

void MetricsText::counter(std::string_view name, std::string_view help, std::uint64_t value,
                          std::string_view labels) {
  family(name, "counter", help);
  sample(value, labels);
}

void MetricsText::bucket(std::string_view end, std::uint64_t count, std::string_view labels) {
  std::string all(labels);
  ((all += all.empty() ? "le=\"" : ",le=\"") += end) += '"';
  put("_bucket", all, std::to_string(count));
}

void MetricsText::sum_and_count(std::string_view sum, std::uint64_t count, std::string_view labels) {
  put("_sum", labels, sum);
  put("_count", labels, std::to_string(count));
}

std::string MetricsText::seconds(std::uint64_t us) {
  std::string text = std::to_string(us / 1'000'000);
  if (const std::uint64_t part = us % 1'000'000; part != 0) {
    const std::string digits = std::to_string(1'000'000 + part);
    text += '.' + digits.substr(1, digits.find_last_not_of('0'));
  }
  return text;
}

}  // namespace millrace::management
