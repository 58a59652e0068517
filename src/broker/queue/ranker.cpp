#include "broker/queue/ranker.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::broker {
namespace {

constexpr double kMillion = 1e6;
// Far from where sums of two ranks would overflow.
constexpr std::int64_t kMaxRank = std::int64_t{1} << 61;

std::int64_t bounded(double rank) noexcept {
  constexpr auto kMax = static_cast<double>(kMaxRank);
  return static_cast<std::int64_t>(std::clamp(rank, -kMax, kMax));
}

std::string_view or_default(const std::string& name, std::string_view otherwise) noexcept {
  return name.empty() ? otherwise : std::string_view(name);
}

constexpr std::string_view kSizeHeader = "x-size";

}  // namespace

Ranker::Ranker(SchedulingSettings settings) : settings_(std::move(settings)) {}

bool Ranker::learns() const noexcept {
  switch (settings_.order) {
    case Scheduling::shortest_job:
    case Scheduling::aged_shortest_job:
      return true;
    case Scheduling::fair:
      return settings_.cost_is_size;
    case Scheduling::fifo:
    case Scheduling::lifo:
    case Scheduling::priority:
    case Scheduling::earliest_deadline:
      return false;
  }
  return false;
}

Ranker::Rank Ranker::rank(MessageLook& look, const Message& message, std::uint64_t seq, unsigned level) {
  switch (settings_.order) {
    case Scheduling::fifo:
      return {-static_cast<std::int64_t>(level)};
    case Scheduling::lifo:
      return {-static_cast<std::int64_t>(seq)};
    case Scheduling::priority: {
      double priority = message.priority();
      if (!settings_.header.empty()) {
        const auto value = look.header_value(message, settings_.header);
        if (const auto given = value ? number_in(*value) : std::nullopt) priority = *given;
      }
      return {bounded(-priority * kMillion)};
    }
    case Scheduling::shortest_job: {
      const Size size = size_of(look, message, or_default(settings_.header, kSizeHeader));
      return {bounded(size.us), size.given};
    }
    case Scheduling::aged_shortest_job: {
      const Size size = size_of(look, message, or_default(settings_.header, kSizeHeader));
      const auto arrival_us = static_cast<double>(message.received_ms()) * 1000;
      return {bounded(arrival_us + size.us / settings_.ageing), size.given};
    }
    case Scheduling::earliest_deadline:
      return {deadline_of(look, message)};
    case Scheduling::fair: {
      std::string key = key_of(look, message);
      const auto it = finished_.find(key);
      const std::int64_t start = it == finished_.end() ? virtual_time_ : std::max(virtual_time_, it->second);
      const std::int64_t cost = cost_of(look, message, key);
      finish(std::move(key), start + cost);
      return {start, false};
    }
  }
  return {};
}

std::int64_t Ranker::restore(MessageLook& look, const Message& message, std::int64_t rank) {
  if (settings_.order != Scheduling::fair) return rank;
  std::string key = key_of(look, message);
  if (const auto it = finished_.find(key); it != finished_.end()) rank = std::max(rank, it->second);
  const std::int64_t cost = cost_of(look, message, key);
  finish(std::move(key), rank + cost);
  return rank;
}

void Ranker::finish(std::string key, std::int64_t time) {
  std::int64_t& finished = finished_[std::move(key)];
  finished = std::min(std::max(finished, time), kMaxRank);
  last_finish_ = std::max(last_finish_, finished);
  if (finished_.size() <= keys_max_) return;
  boost::unordered::erase_if(finished_, [this](const auto& entry) { return entry.second <= virtual_time_; });
  keys_max_ = std::max(kMinKeys, 2 * finished_.size());
}

std::string Ranker::job_name(MessageLook& look, const Message& message) const {
  if (const auto named = look.header_value(message, or_default(settings_.name_header, "task"))) {
    return named->describe();
  }
  return look.property_text(message, "type").value_or("");
}

Ranker::Size Ranker::size_of(MessageLook& look, const Message& message, std::string_view header) const {
  const auto value = look.header_value(message, header);
  if (const auto given = value ? number_in(*value) : std::nullopt)
    return {std::max(*given, 0.0) * 1000, true};
  return {estimates_.mean_us(job_name(look, message)), false};
}

std::int64_t Ranker::deadline_of(MessageLook& look, const Message& message) const {
  const auto value = look.header_value(message, or_default(settings_.header, "x-deadline"));
  if (value && value->type == 'T') {
    if (const auto* seconds = std::get_if<std::int64_t>(&value->data)) {
      return bounded(static_cast<double>(*seconds) * kMillion);
    }
  }
  if (const auto given = value ? number_in(*value) : std::nullopt) return bounded(*given * 1000);
  if (message.ttl_ms() < 0) return kLast;
  return bounded((static_cast<double>(message.received_ms()) + static_cast<double>(message.ttl_ms())) * 1000);
}

std::string Ranker::key_of(MessageLook& look, const Message& message) const {
  const auto value = look.header_value(message, or_default(settings_.header, "x-key"));
  return value ? value->describe() : std::string();
}

std::int64_t Ranker::cost_of(MessageLook& look, const Message& message, std::string_view key) const {
  const double cost = settings_.cost_is_size ? size_of(look, message, kSizeHeader).us : kMillion;
  return std::max<std::int64_t>(bounded(cost / settings_.weight_of(key)), 1);
}

}  // namespace millrace::broker
