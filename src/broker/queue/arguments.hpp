// Queue arguments: which there are, what values they take, which queue types know them, and what they and the
// policies amount to. The one table that declaring, redeclaring and policies go by. Texts are RabbitMQ's
// (rabbit_amqqueue).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "broker/queue/scheduling.hpp"
#include "broker/specs.hpp"

namespace millrace::broker {

enum class Overflow : std::uint8_t { drop_head, reject_publish, reject_publish_dlx };
enum class DelayedRetry : std::uint8_t { disabled, all, failed, returned };

// What a queue does, from its arguments and the policy that matches it. Absent: no such bound.
struct QueueSettings {
  bool quorum = false;
  std::optional<std::int64_t> expires_ms;
  std::optional<std::int64_t> message_ttl_ms;
  std::optional<std::int64_t> max_length;
  std::optional<std::int64_t> max_length_bytes;
  Overflow overflow = Overflow::drop_head;
  std::optional<std::string> dead_letter_exchange;
  std::optional<std::string> dead_letter_routing_key;
  std::uint8_t max_priority = 0;  // 0: one level
  bool single_active_consumer = false;
  std::optional<std::int64_t> delivery_limit;
  DelayedRetry delayed_retry = DelayedRetry::disabled;
  std::int64_t delayed_retry_min_ms = 1000;
  std::int64_t delayed_retry_max_ms = 60'000;
  std::string deduplication_header;  // empty: the queue does not deduplicate
  std::int64_t cache_size = 0;
  std::optional<std::int64_t> cache_ttl_ms;
  bool stamp = false;  // message id, sequence, arrival time
  SchedulingSettings scheduling;

  // Whether it makes room by itself.
  bool drops_head() const noexcept {
    return (max_length || max_length_bytes) && overflow == Overflow::drop_head;
  }
  friend bool operator==(const QueueSettings&, const QueueSettings&) = default;
};

// The limit of quorum queues that set none.
inline constexpr std::int64_t kDefaultDeliveryLimit = 20;

inline std::string queue_text(std::string_view vhost, std::string_view name) {
  return "queue '" + std::string(name) + "' in vhost '" + std::string(vhost) + "'";
}
inline std::string exchange_text(std::string_view vhost, std::string_view name) {
  return "exchange '" + std::string(name) + "' in vhost '" + std::string(vhost) + "'";
}

// Fills in x-queue-type and refuses what the type does not allow: precondition_failed, or not_implemented for
// streams.
result<void> check_queue_arguments(QueueSpec& queue, std::string_view default_type);

// Of a policy's definition, the keys that say in which order queues serve: precondition_failed.
result<void> check_scheduling_policy(const PolicySpec& policy);

// Whether a redeclaration asks for the queue that is there: precondition_failed names the first difference.
result<void> check_queue_equivalent(const QueueSpec& existing, const QueueSpec& asked);
result<void> check_exchange_equivalent(const ExchangeSpec& existing, const ExchangeSpec& asked);

// The lowest number wins where an argument and a policy both bound; arguments win otherwise.
QueueSettings queue_settings(const QueueSpec& queue, const PolicySpec* policy,
                             const PolicySpec* operator_policy);
// QueueSettings::scheduling alone.
SchedulingSettings queue_scheduling(const QueueSpec& queue, const PolicySpec* policy,
                                    const PolicySpec* operator_policy);

}  // namespace millrace::broker
