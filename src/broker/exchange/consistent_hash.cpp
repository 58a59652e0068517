#include "broker/exchange/consistent_hash.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/number.hpp"
#include "broker/exchange/stable_hash.hpp"

namespace millrace::broker {
namespace {

std::string text_argument(const ExchangeSpec& spec, std::string_view key) {
  const Value* value = spec.arguments.find(key);
  return value != nullptr && value->as_text() != nullptr ? *value->as_text() : std::string();
}

}  // namespace

ConsistentHashExchange::ConsistentHashExchange(ExchangeSpec spec)
    : Exchange(std::move(spec)),
      header_(text_argument(this->spec(), "hash-header")),
      property_(text_argument(this->spec(), "hash-property")) {}

result<void> ConsistentHashExchange::check_arguments(const ExchangeSpec& spec) {
  const Value* header = spec.arguments.find("hash-header");
  const Value* property = spec.arguments.find("hash-property");
  if (header != nullptr && property != nullptr)
    return fail(Errc::precondition_failed, "hash-header and hash-property are mutually exclusive");
  if (header != nullptr && (header->as_text() == nullptr || header->as_text()->empty()))
    return fail(Errc::precondition_failed, "hash-header must name a header");
  if (property != nullptr) {
    const std::string name = property->as_text() != nullptr ? *property->as_text() : property->describe();
    if (name != "message_id" && name != "correlation_id" && name != "timestamp")
      return fail(Errc::precondition_failed, "Unsupported property: " + name);
  }
  return {};
}

result<void> ConsistentHashExchange::check_binding(const BindingSpec& binding) const {
  const std::string& key = binding.routing_key;
  const std::optional<std::int64_t> weight = whole_number<std::int64_t>(key);
  if (!weight)
    return fail(Errc::precondition_failed, "The binding key must be an integer: <<\"" + key + "\">>");
  if (*weight < 1) return fail(Errc::precondition_failed, "The binding key must be greater than 0");
  if (*weight > kMaxWeight) {
    return fail(Errc::precondition_failed,
                "The binding key must not be greater than " + std::to_string(kMaxWeight));
  }
  return {};
}

ConsistentHashExchange::Member ConsistentHashExchange::take(const Target& target) {
  const auto there = std::find_if(members_.begin(), members_.end(),
                                  [&](const Member& member) { return member.target == target; });
  if (there == members_.end()) return {target, 0, 0};
  const Member member = *there;
  members_.erase(there);
  return member;
}

void ConsistentHashExchange::put(const Member& member) {
  const auto place =
      std::upper_bound(members_.begin(), members_.end(), member.weight,
                       [](std::uint64_t weight, const Member& other) { return weight < other.weight; });
  members_.insert(place, member);
}

void ConsistentHashExchange::bind(const Target& target, const BindingSpec& binding) {
  Member member = take(target);
  member.name_hash = stable_hash(binding.destination) ^ (binding.to_exchange ? 1u : 0u);
  member.weight += static_cast<std::uint64_t>(whole_number<std::int64_t>(binding.routing_key).value_or(1));
  put(member);
}

void ConsistentHashExchange::unbind(const Target& target, const BindingSpec& binding) {
  Member member = take(target);
  const auto weight = static_cast<std::uint64_t>(whole_number<std::int64_t>(binding.routing_key).value_or(1));
  if (member.weight <= weight) return;
  member.weight -= weight;
  put(member);
}

std::uint64_t ConsistentHashExchange::hash_of(const RoutingInput& input) const {
  if (!header_.empty()) {
    const std::optional<Value> value = input.formats->of(*input.message).header(*input.message, header_);
    if (!value) return stable_hash({});
    return value->as_text() != nullptr ? stable_hash(*value->as_text()) : stable_hash(value->describe());
  }
  if (property_.empty()) return stable_hash(input.routing_key);
  const MessageFormat& format = input.formats->of(*input.message);
  if (property_ == "timestamp") {
    const std::int64_t ms = input.message->timestamp_ms();
    return ms < 0 ? stable_hash({}) : stable_hash(std::to_string(ms));
  }
  return stable_hash(
      (property_ == "message_id" ? format.message_id(*input.message) : format.correlation_id(*input.message))
          .value_or(std::string()));
}

// With u uniform in (0, 1), the least of -ln(u) / weight falls to each member in proportion to its weight.
// Among equal weights that is the greatest u.
bool ConsistentHashExchange::route(const RoutingInput& input, Targets& out) {
  if (members_.empty()) return true;
  const std::uint64_t key = hash_of(input);
  const Member* best = nullptr;
  double best_cost = 0;
  for (std::size_t i = 0; i < members_.size();) {
    const std::uint64_t weight = members_[i].weight;
    const Member* chosen = nullptr;
    std::uint64_t greatest = 0;
    for (; i < members_.size() && members_[i].weight == weight; ++i) {
      const std::uint64_t draw = mix_bits(key + members_[i].name_hash * 0x9e3779b97f4a7c15ull);
      if (chosen != nullptr && draw <= greatest) continue;
      greatest = draw;
      chosen = &members_[i];
    }
    if (best == nullptr && i == members_.size()) {
      best = chosen;  // all weigh the same
      break;
    }
    const double uniform = (static_cast<double>(greatest >> 11) + 0.5) * 0x1p-53;
    const double cost = -std::log(uniform) / static_cast<double>(weight);
    if (best == nullptr || cost < best_cost) {
      best = chosen;
      best_cost = cost;
    }
  }
  out.push_back(best->target);
  return true;
}

}  // namespace millrace::broker
