#include "broker/queue/arguments.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace millrace::broker {
namespace {

enum Types : unsigned { classic = 1, quorum = 2, any = classic | quorum };

// What is wrong with a value, in the words RabbitMQ prints; nothing when it is fine.
using Check = std::optional<std::string> (*)(const Value& value, const Arguments& all);

std::optional<std::string> unacceptable(const Value& value) {
  return "{unacceptable_type," + std::string(value.type_name()) + "}";
}

std::optional<std::string> non_negative(const Value& value, const Arguments&) {
  const auto number = value.as_integer();
  if (!number) return unacceptable(value);
  if (*number < 0) return "{value_negative," + std::to_string(*number) + "}";
  return std::nullopt;
}

std::optional<std::string> positive(const Value& value, const Arguments& all) {
  if (auto wrong = non_negative(value, all)) return wrong;
  if (*value.as_integer() == 0) return "{value_zero,0}";
  return std::nullopt;
}

// Timers hold 2^32 ms, as RabbitMQ's do.
constexpr std::int64_t kMaxTimeMs = 4294967295;

std::optional<std::string> time_span(const Value& value, const Arguments& all) {
  if (auto wrong = non_negative(value, all)) return wrong;
  if (*value.as_integer() > kMaxTimeMs) return "{value_too_big," + std::to_string(*value.as_integer()) + "}";
  return std::nullopt;
}

std::optional<std::string> positive_time_span(const Value& value, const Arguments& all) {
  if (auto wrong = positive(value, all)) return wrong;
  return time_span(value, all);
}

std::optional<std::string> text(const Value& value, const Arguments&) {
  if (value.type != 'S' || !value.as_text()) return unacceptable(value);
  return std::nullopt;
}

std::optional<std::string> boolean(const Value& value, const Arguments&) {
  if (!value.as_boolean()) return unacceptable(value);
  return std::nullopt;
}

std::optional<std::string> dead_letter_key(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  if (!all.find("x-dead-letter-exchange")) return "routing_key_but_no_dlx_defined";
  return std::nullopt;
}

std::optional<std::string> priority_levels(const Value& value, const Arguments& all) {
  if (auto wrong = non_negative(value, all)) return wrong;
  if (*value.as_integer() > 255) return "{max_value_exceeded," + std::to_string(*value.as_integer()) + "}";
  return std::nullopt;
}

template <std::size_t N>
bool one_of(const Value& value, const std::array<std::string_view, N>& words) {
  return value.as_text() && std::find(words.begin(), words.end(), *value.as_text()) != words.end();
}

std::optional<std::string> overflow(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  static constexpr std::array<std::string_view, 3> kWords{"drop-head", "reject-publish",
                                                          "reject-publish-dlx"};
  if (!one_of(value, kWords)) return "invalid_overflow";
  return std::nullopt;
}

std::optional<std::string> queue_mode(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  static constexpr std::array<std::string_view, 2> kWords{"default", "lazy"};
  if (!one_of(value, kWords)) return "invalid_queue_mode";
  return std::nullopt;
}

std::optional<std::string> dead_letter_strategy(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  static constexpr std::array<std::string_view, 2> kWords{"at-most-once", "at-least-once"};
  if (!one_of(value, kWords)) return "invalid_dlx_strategy";
  return std::nullopt;
}

std::optional<std::string> retry_type(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  static constexpr std::array<std::string_view, 4> kWords{"disabled", "all", "failed", "returned"};
  if (!one_of(value, kWords)) return "invalid_delayed_retry_type";
  return std::nullopt;
}

std::optional<std::string> scheduling(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  const auto order = scheduling_named(*value.as_text());
  if (!order) return "invalid_scheduling, not one of fifo, lifo, priority, sjf, aged-sjf, edf, fair";
  const Value* levels = all.find("x-max-priority");
  if (levels && levels->as_integer().value_or(0) > 0 && *order != Scheduling::fifo) {
    return "scheduling_with_max_priority, a queue has either levels or another order";
  }
  return std::nullopt;
}

std::optional<std::string> header_name(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  if (value.as_text()->empty() || value.as_text()->size() > 255) return "invalid_header_name";
  return std::nullopt;
}

std::optional<std::string> within(const Value& value, double least, double most) {
  const auto given = number_in(value);
  if (!given) return unacceptable(value);
  if (*given < least || *given > most) return "{value_out_of_range," + value.describe() + "}";
  return std::nullopt;
}

std::optional<std::string> ageing(const Value& value, const Arguments&) {
  return within(value, kMinAgeing, kMaxAgeing);
}

std::optional<std::string> rank_cost(const Value& value, const Arguments& all) {
  if (auto wrong = text(value, all)) return wrong;
  static constexpr std::array<std::string_view, 2> kWords{"message", "size"};
  if (!one_of(value, kWords)) return "invalid_rank_cost, not one of message, size";
  return std::nullopt;
}

std::optional<std::string> rank_weights(const Value& value, const Arguments&) {
  const auto* weights = std::get_if<Arguments>(&value.data);
  if (weights == nullptr) return unacceptable(value);
  if (weights->size() > kMaxWeights) return "{too_many_weights," + std::to_string(weights->size()) + "}";
  for (const Argument& weight : *weights) {
    if (auto wrong = within(weight.value, kMinWeight, kMaxWeight)) return "'" + weight.key + "': " + *wrong;
  }
  return std::nullopt;
}

std::optional<std::string> queue_type(const Value& value, const Arguments& all) {
  return text(value, all);
}

std::optional<std::string> number(const Value& value, const Arguments&) {
  if (!value.as_integer()) return unacceptable(value);
  return std::nullopt;
}

struct ArgumentRule {
  std::string_view name;
  unsigned types;
  Check check;
};

constexpr ArgumentRule kRules[] = {
    {"x-queue-type", any, queue_type},
    {"x-expires", any, positive_time_span},
    {"x-message-ttl", any, time_span},
    {"x-dead-letter-exchange", any, text},
    {"x-dead-letter-routing-key", any, dead_letter_key},
    {"x-max-length", any, non_negative},
    {"x-max-length-bytes", any, non_negative},
    {"x-overflow", any, overflow},
    {"x-max-priority", classic, priority_levels},
    {"x-single-active-consumer", any, boolean},
    {"x-queue-mode", classic, queue_mode},
    {"x-queue-version", classic, non_negative},
    {"x-queue-master-locator", classic, text},
    {"x-queue-leader-locator", any, text},
    {"x-delivery-limit", quorum, number},
    {"x-dead-letter-strategy", quorum, dead_letter_strategy},
    {"x-quorum-initial-group-size", quorum, positive},
    {"x-delayed-retry-type", quorum, retry_type},
    {"x-delayed-retry-min", quorum, positive_time_span},
    {"x-delayed-retry-max", quorum, positive_time_span},
    {"x-consumer-timeout", quorum, positive_time_span},
    {"x-deduplication-header", any, text},
    {"x-cache-size", any, positive},
    {"x-cache-ttl", any, positive_time_span},
    {"x-message-deduplication", any, boolean},
    {"x-message-stamp", any, boolean},
    {"x-scheduling", any, scheduling},
    {"x-rank-header", any, header_name},
    {"x-rank-name-header", any, header_name},
    {"x-rank-ageing", any, ageing},
    {"x-rank-cost", any, rank_cost},
    {"x-rank-weights", any, rank_weights},
    // Of streams only: known, so that other types refuse them by name.
    {"x-max-age", 0, text},
    {"x-stream-max-segment-size-bytes", 0, positive},
    {"x-stream-filter-size-bytes", 0, positive},
    {"x-initial-cluster-size", 0, positive},
};

const ArgumentRule* find_rule(std::string_view name) {
  const auto it =
      std::find_if(std::begin(kRules), std::end(kRules), [&](const auto& r) { return r.name == name; });
  return it == std::end(kRules) ? nullptr : it;
}

unsigned type_bit(const QueueSpec& queue) {
  const Value* type = queue.arguments.find("x-queue-type");
  return type && type->as_text() && *type->as_text() == "quorum" ? quorum : classic;
}

Error inequivalent(std::string_view what, const std::string& where, const std::string& received,
                   const std::string& current) {
  return fail(Errc::precondition_failed, "inequivalent arg '" + std::string(what) + "' for " + where +
                                             ": received " + received + " but current is " + current);
}

std::string quoted(bool value) {
  return value ? "'true'" : "'false'";
}

std::string described(const Value* value) {
  if (!value) return "none";
  return "the value '" + value->describe() + "' of type '" + std::string(value->type_name()) + "'";
}

result<void> check_argument_equivalent(std::string_view key, const std::string& where,
                                       const Arguments& existing, const Arguments& asked) {
  const Value* now = existing.find(key);
  const Value* wanted = asked.find(key);
  if (!now && !wanted) return {};
  if (now && wanted && *now == *wanted) return {};
  if (now && wanted) {
    return inequivalent(key, where, "'" + wanted->describe() + "'", "'" + now->describe() + "'");
  }
  return inequivalent(key, where, described(wanted), described(now));
}

// A setting: the argument x-NAME, else NAME in the policy; the operator's policy bounds numbers from above.
class Lookup {
 public:
  Lookup(const QueueSpec& queue, const PolicySpec* policy, const PolicySpec* operator_policy)
      : queue_(queue), policy_(policy), operator_(operator_policy) {}

  std::optional<std::int64_t> least(std::string_view name) const {
    std::optional<std::int64_t> best;
    for (const Value* value : {argument(name), in(policy_, name), in(operator_, name)}) {
      if (!value) continue;
      const auto given = value->as_integer();
      if (given && (!best || *given < *best)) best = given;
    }
    return best;
  }
  const Value* first(std::string_view name) const {
    if (const Value* value = argument(name)) return value;
    if (const Value* value = in(policy_, name)) return value;
    return in(operator_, name);
  }
  std::optional<std::string> text(std::string_view name) const {
    const Value* value = first(name);
    if (!value || !value->as_text()) return std::nullopt;
    return *value->as_text();
  }
  bool flag(std::string_view name) const {
    const Value* value = first(name);
    return value && value->as_boolean().value_or(false);
  }

 private:
  const Value* argument(std::string_view name) const {
    return queue_.arguments.find("x-" + std::string(name));
  }
  static const Value* in(const PolicySpec* policy, std::string_view name) {
    return policy ? policy->definition.find(name) : nullptr;
  }
  const QueueSpec& queue_;
  const PolicySpec* policy_;
  const PolicySpec* operator_;
};

// What belongs to another order, or to none, says nothing: settings that do the same are the same.
SchedulingSettings scheduling_settings(const QueueSpec& queue, const Lookup& look) {
  SchedulingSettings s;
  const auto order = scheduling_named(look.text("scheduling").value_or("fifo"));
  // Levels are an argument of the declaration, which no policy changes.
  const Value* levels = queue.arguments.find("x-max-priority");
  if (!order || *order == Scheduling::fifo || (levels && levels->as_integer().value_or(0) > 0)) return s;
  s.order = *order;
  s.header = look.text("rank-header").value_or("");
  s.name_header = look.text("rank-name-header").value_or("");
  if (const Value* given = look.first("rank-ageing"); given && s.order == Scheduling::aged_shortest_job) {
    s.ageing = number_in(*given).value_or(SchedulingSettings::kDefaultAgeing);
  }
  if (s.order != Scheduling::fair) return s;
  s.cost_is_size = look.text("rank-cost").value_or("message") == "size";
  const Value* given = look.first("rank-weights");
  const auto* weights = given ? std::get_if<Arguments>(&given->data) : nullptr;
  if (weights == nullptr) return s;
  for (const Argument& weight : *weights) {
    s.weights.emplace_back(weight.key, number_in(weight.value).value_or(1));
  }
  std::sort(s.weights.begin(), s.weights.end());
  return s;
}

}  // namespace

result<void> check_scheduling_policy(const PolicySpec& policy) {
  for (const Argument& argument : policy.definition) {
    if (argument.key != "scheduling" && !argument.key.starts_with("rank-")) continue;
    const ArgumentRule* rule = find_rule("x-" + argument.key);
    if (rule == nullptr) continue;
    if (auto wrong = rule->check(argument.value, policy.definition)) {
      return fail(Errc::precondition_failed, "invalid '" + argument.key + "' in policy '" + policy.name +
                                                 "' in vhost '" + policy.vhost + "': " + *wrong);
    }
  }
  return {};
}

result<void> check_queue_arguments(QueueSpec& queue, std::string_view default_type) {
  const std::string where = queue_text(queue.vhost, queue.name);
  if (!queue.arguments.find("x-queue-type")) {
    const bool replicated_possible = queue.durable && !queue.auto_delete && queue.exclusive_owner.value == 0;
    const bool use_default = !default_type.empty() && (default_type == "classic" || replicated_possible);
    queue.arguments.set("x-queue-type", Value::text(use_default ? std::string(default_type) : "classic"));
  }
  const Value* type = queue.arguments.find("x-queue-type");
  if (auto wrong = queue_type(*type, queue.arguments)) {
    return fail(Errc::precondition_failed, "invalid arg 'x-queue-type' for " + where + ": " + *wrong);
  }
  const std::string& type_name = *type->as_text();
  if (type_name == "stream") {
    return fail(Errc::not_implemented, "x-queue-type 'stream' for " + where +
                                           ": this broker has no streams yet; use 'classic' or 'quorum'");
  }
  if (type_name != "classic" && type_name != "quorum") {
    return fail(Errc::precondition_failed, "invalid arg 'x-queue-type' for " + where +
                                               ": {unacceptable_value,<<\"" + type_name + "\">>}");
  }
  const bool is_quorum = type_name == "quorum";
  if (is_quorum) {
    const auto refuse = [&](std::string_view property) {
      return fail(Errc::precondition_failed, "invalid property '" + std::string(property) + "' for " + where);
    };
    if (!queue.durable) return refuse("non-durable");
    if (queue.auto_delete) return refuse("auto-delete");
    if (queue.exclusive_owner.value != 0) return refuse("exclusive-owner");
  }
  for (const Argument& argument : queue.arguments) {
    const ArgumentRule* rule = find_rule(argument.key);
    if (!rule) continue;  // unknown to every type: stored and ignored
    if ((rule->types & (is_quorum ? quorum : classic)) == 0) {
      return fail(Errc::precondition_failed,
                  "invalid arg '" + argument.key + "' for " + where + " of queue type " +
                      (is_quorum ? "rabbit_quorum_queue" : "rabbit_classic_queue"));
    }
    if (auto wrong = rule->check(argument.value, queue.arguments)) {
      return fail(Errc::precondition_failed,
                  "invalid arg '" + argument.key + "' for " + where + ": " + *wrong);
    }
  }
  if (const Value* version = queue.arguments.find("x-queue-version"); version && version->as_integer() != 2) {
    return fail(Errc::precondition_failed, "unsupported queue version '" + version->describe() + "'");
  }
  if (const Value* words = queue.arguments.find("x-overflow");
      is_quorum && words && *words->as_text() == "reject-publish-dlx") {
    return fail(Errc::precondition_failed, "invalid arg 'x-overflow' for " + where + ": invalid_overflow");
  }
  return {};
}

result<void> check_queue_equivalent(const QueueSpec& existing, const QueueSpec& asked) {
  const std::string where = queue_text(existing.vhost, existing.name);
  if (existing.durable != asked.durable) {
    return inequivalent("durable", where, quoted(asked.durable), quoted(existing.durable));
  }
  if (existing.auto_delete != asked.auto_delete) {
    return inequivalent("auto_delete", where, quoted(asked.auto_delete), quoted(existing.auto_delete));
  }
  const unsigned type = type_bit(existing);
  for (const ArgumentRule& rule : kRules) {
    if ((rule.types & type) == 0) continue;
    if (auto same = check_argument_equivalent(rule.name, where, existing.arguments, asked.arguments);
        same.has_error()) {
      return same;
    }
  }
  return {};
}

result<void> check_exchange_equivalent(const ExchangeSpec& existing, const ExchangeSpec& asked) {
  const std::string where = exchange_text(existing.vhost, existing.name);
  if (existing.type != asked.type) {
    return inequivalent("type", where, "'" + asked.type + "'", "'" + existing.type + "'");
  }
  if (existing.durable != asked.durable) {
    return inequivalent("durable", where, quoted(asked.durable), quoted(existing.durable));
  }
  if (existing.auto_delete != asked.auto_delete) {
    return inequivalent("auto_delete", where, quoted(asked.auto_delete), quoted(existing.auto_delete));
  }
  if (existing.internal != asked.internal) {
    return inequivalent("internal", where, quoted(asked.internal), quoted(existing.internal));
  }
  return check_argument_equivalent("alternate-exchange", where, existing.arguments, asked.arguments);
}

SchedulingSettings queue_scheduling(const QueueSpec& queue, const PolicySpec* policy,
                                    const PolicySpec* operator_policy) {
  return scheduling_settings(queue, Lookup(queue, policy, operator_policy));
}

QueueSettings queue_settings(const QueueSpec& queue, const PolicySpec* policy,
                             const PolicySpec* operator_policy) {
  const Lookup look(queue, policy, operator_policy);
  QueueSettings s;
  s.quorum = type_bit(queue) == quorum;
  s.expires_ms = look.least("expires");
  s.message_ttl_ms = look.least("message-ttl");
  s.max_length = look.least("max-length");
  s.max_length_bytes = look.least("max-length-bytes");
  const std::string word = look.text("overflow").value_or("drop-head");
  s.overflow = word == "reject-publish"       ? Overflow::reject_publish
               : word == "reject-publish-dlx" ? Overflow::reject_publish_dlx
                                              : Overflow::drop_head;
  s.dead_letter_exchange = look.text("dead-letter-exchange");
  s.dead_letter_routing_key = look.text("dead-letter-routing-key");
  if (const Value* levels = queue.arguments.find("x-max-priority")) {
    s.max_priority = static_cast<std::uint8_t>(levels->as_integer().value_or(0));
  } else if (s.quorum) {
    s.max_priority = 31;  // 32 strict levels, as RabbitMQ 4.3
  }
  s.single_active_consumer = look.flag("single-active-consumer");
  s.delivery_limit = look.least("delivery-limit");
  if (s.quorum && !s.delivery_limit) s.delivery_limit = kDefaultDeliveryLimit;
  if (s.delivery_limit && *s.delivery_limit < 0) s.delivery_limit.reset();
  const std::string retry = look.text("delayed-retry-type").value_or("disabled");
  s.delayed_retry = retry == "all"        ? DelayedRetry::all
                    : retry == "failed"   ? DelayedRetry::failed
                    : retry == "returned" ? DelayedRetry::returned
                                          : DelayedRetry::disabled;
  s.delayed_retry_min_ms = look.least("delayed-retry-min").value_or(s.delayed_retry_min_ms);
  s.delayed_retry_max_ms =
      std::max(look.least("delayed-retry-max").value_or(s.delayed_retry_max_ms), s.delayed_retry_min_ms);
  if (look.flag("message-deduplication") || look.first("deduplication-header")) {
    s.deduplication_header = look.text("deduplication-header").value_or("x-deduplication-header");
    s.cache_size = look.least("cache-size").value_or(0);
    s.cache_ttl_ms = look.least("cache-ttl");
  }
  s.stamp = look.flag("message-stamp");
  s.scheduling = scheduling_settings(queue, look);
  return s;
}

}  // namespace millrace::broker
