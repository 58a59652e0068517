#include "broker/queue/scheduling.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/crc32c.hpp"
#include "base/reader.hpp"

namespace millrace::broker {

std::string_view to_string(Scheduling order) noexcept {
  return kSchedulingNames[static_cast<std::size_t>(order)];
}

std::optional<Scheduling> scheduling_named(std::string_view name) noexcept {
  const auto* const it = std::find(std::begin(kSchedulingNames), std::end(kSchedulingNames), name);
  if (it == std::end(kSchedulingNames)) return std::nullopt;
  return static_cast<Scheduling>(it - std::begin(kSchedulingNames));
}

std::uint32_t SchedulingSettings::fingerprint() const noexcept {
  std::string all(to_string(order));
  const auto add = [&](std::string_view text) { (all += '\0') += text; };
  const auto add_number = [&](double number) {
    char bytes[sizeof number];
    std::memcpy(bytes, &number, sizeof number);
    add({bytes, sizeof bytes});
  };
  add(header);
  add(name_header);
  add_number(ageing);
  add(cost_is_size ? "size" : "message");
  for (const auto& [key, weight] : weights) {
    add(key);
    add_number(weight);
  }
  return crc32c(0, as_bytes(all));
}

double SchedulingSettings::weight_of(std::string_view key) const noexcept {
  const auto it = std::lower_bound(weights.begin(), weights.end(), key,
                                   [](const auto& weight, std::string_view k) { return weight.first < k; });
  return it == weights.end() || it->first != key ? 1 : it->second;
}

std::optional<double> number_in(const Value& value) noexcept {
  if (const auto integer = value.as_integer()) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value.data)) {
    return std::isfinite(*real) ? std::optional(*real) : std::nullopt;
  }
  if (value.type == 'D') {
    const auto* encoded = std::get_if<std::string>(&value.data);
    if (encoded == nullptr || encoded->size() != 5) return std::nullopt;
    Reader in(as_bytes(*encoded));
    const unsigned decimals = in.u8();
    return static_cast<double>(in.be<std::int32_t>()) / std::pow(10.0, decimals);
  }
  const std::string* text = value.as_text();
  if (text == nullptr || text->empty()) return std::nullopt;
  double number = 0;
  const char* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, number);
  if (error != std::errc() || end != last || !std::isfinite(number)) return std::nullopt;
  return number;
}

}  // namespace millrace::broker
