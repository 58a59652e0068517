#include "broker/exchange/headers.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "base/assert.hpp"

namespace millrace::broker {
namespace {

constexpr std::string_view kMatch = "x-match";

struct Match {
  bool any = false;
  bool with_x = false;
};

std::optional<Match> parse_match(std::string_view text) noexcept {
  if (text == "all") return Match{false, false};
  if (text == "any") return Match{true, false};
  if (text == "all-with-x") return Match{false, true};
  if (text == "any-with-x") return Match{true, true};
  return std::nullopt;
}

Match match_of(const Arguments& arguments) noexcept {
  const Value* value = arguments.find(kMatch);
  if (value == nullptr || value->as_text() == nullptr) return {};
  return parse_match(*value->as_text()).value_or(Match{});
}

bool is_condition(const Argument& argument, const Match& match) noexcept {
  return argument.key != kMatch && (match.with_x || !argument.key.starts_with("x-"));
}

bool is_void(const Value& value) noexcept {
  return std::holds_alternative<std::monostate>(value.data);
}

void drop(std::vector<std::uint32_t>& from, std::uint32_t id) {
  const auto place = std::find(from.begin(), from.end(), id);
  MILLRACE_ASSERT(place != from.end(), "a rule is listed wherever it has a condition");
  *place = from.back();
  from.pop_back();
}

}  // namespace

result<void> HeadersExchange::check_binding(const BindingSpec& binding) const {
  const Value* value = binding.arguments.find(kMatch);
  if (value == nullptr) return {};
  if (value->as_text() == nullptr) {
    return fail(Errc::precondition_failed, "Invalid x-match field type " + std::string(value->type_name()) +
                                               " (value " + value->describe() + "); expected longstr");
  }
  if (!parse_match(*value->as_text())) {
    return fail(Errc::precondition_failed, "Invalid x-match field value <<\"" + *value->as_text() +
                                               "\">>; expected all, any, all-with-x, or any-with-x");
  }
  return {};
}

HeadersExchange::RuleId HeadersExchange::add_rule(const Arguments& arguments) {
  RuleId id;
  if (free_rules_.empty()) {
    id = static_cast<RuleId>(rules_.size());
    rules_.emplace_back();
  } else {
    id = free_rules_.back();
    free_rules_.pop_back();
  }
  const Match match = match_of(arguments);
  std::uint32_t conditions = 0;
  for (const Argument& argument : arguments) {
    if (!is_condition(argument, match)) continue;
    ++conditions;
    Header& header = headers_[argument.key];
    (is_void(argument.value) ? header.if_present : header.if_equal[argument.value]).push_back(id);
  }
  if (conditions == 0 && !match.any) unconditional_.push_back(id);
  rules_[id].arguments = arguments;
  rules_[id].needed = match.any ? 1 : conditions;
  by_arguments_.emplace(arguments, id);
  return id;
}

void HeadersExchange::remove_rule(RuleId id) {
  const Arguments arguments = std::move(rules_[id].arguments);
  rules_[id] = Rule{};
  free_rules_.push_back(id);
  by_arguments_.erase(arguments);

  const Match match = match_of(arguments);
  std::uint32_t conditions = 0;
  for (const Argument& argument : arguments) {
    if (!is_condition(argument, match)) continue;
    ++conditions;
    const auto header = headers_.find(argument.key);
    if (is_void(argument.value)) {
      drop(header->second.if_present, id);
    } else {
      const auto equal = header->second.if_equal.find(argument.value);
      drop(equal->second, id);
      if (equal->second.empty()) header->second.if_equal.erase(equal);
    }
    if (header->second.if_present.empty() && header->second.if_equal.empty()) headers_.erase(header);
  }
  if (conditions == 0 && !match.any) drop(unconditional_, id);
}

void HeadersExchange::bind(const Target& target, const BindingSpec& binding) {
  const auto found = by_arguments_.find(binding.arguments);
  const RuleId id = found != by_arguments_.end() ? found->second : add_rule(binding.arguments);
  rules_[id].targets.add(target);
}

void HeadersExchange::unbind(const Target& target, const BindingSpec& binding) {
  const auto found = by_arguments_.find(binding.arguments);
  if (found == by_arguments_.end()) return;
  const RuleId id = found->second;
  rules_[id].targets.remove(target);
  if (rules_[id].targets.empty()) remove_rule(id);
}

void HeadersExchange::count(const Rules& rules, Targets& out) {
  for (const RuleId id : rules) {
    Rule& rule = rules_[id];
    if (rule.counted_at != route_) {
      rule.counted_at = route_;
      rule.met = 0;
    }
    if (++rule.met == rule.needed) rule.targets.append_to(out);
  }
}

class HeadersExchange::Visitor final : public HeaderVisitor {
 public:
  Visitor(HeadersExchange& exchange, Targets& out) : exchange_(exchange), out_(out) {}
  bool header(std::string_view key, const Value& value) override {
    const auto found = exchange_.headers_.find(key);
    if (found == exchange_.headers_.end()) return true;
    Header& header = found->second;
    if (header.seen_at == exchange_.route_) return true;
    header.seen_at = exchange_.route_;
    exchange_.count(header.if_present, out_);
    if (header.if_equal.empty()) return true;
    const auto equal = header.if_equal.find(value);
    if (equal != header.if_equal.end()) exchange_.count(equal->second, out_);
    return true;
  }

 private:
  HeadersExchange& exchange_;
  Targets& out_;
};

bool HeadersExchange::route(const RoutingInput& input, Targets& out) {
  ++route_;
  for (const RuleId id : unconditional_) rules_[id].targets.append_to(out);
  if (headers_.empty()) return true;
  Visitor visitor(*this, out);
  input.formats->of(*input.message).headers(*input.message, visitor);
  return true;
}

}  // namespace millrace::broker
