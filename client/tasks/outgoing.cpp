#include "client/tasks/outgoing.hpp"

#include <algorithm>
#include <utility>

#include "client/tasks/task_message.hpp"

namespace millrace::tasks {
namespace {

// The most that x-delayed-message takes (2^32 - 1 ms): what is due later comes back once and is held again.
constexpr Milliseconds kLongestPause{4'294'967'295};

constexpr std::size_t kKeptContent = 64 * 1024;

std::int64_t delay_field(Milliseconds pause) {
  return std::clamp(pause, Milliseconds(0), kLongestPause).count();
}

}  // namespace

Outgoing outgoing(const CallData& call, const std::string& reply_to, const std::string& origin) {
  Outgoing out{Places::Need::queue, call.queue, Address(call.queue), encode_call(call, reply_to, origin)};
  if (call.eta) {
    const auto pause = std::chrono::ceil<Milliseconds>(*call.eta - std::chrono::system_clock::now());
    if (pause.count() > 0) {
      out.need = Places::Need::delayed;
      out.to = Address(kDelayedExchange, call.queue);
      out.message.headers["x-delay"] = delay_field(pause);
    }
  }
  if (!call.unique_key.empty()) {
    out.need = Places::Need::unique;
    out.to = Address(kUniqueExchange, call.queue);
    out.message.headers["x-deduplication-header"] = call.unique_key;
    if (call.unique_for.count() > 0)
      out.message.headers["x-cache-ttl"] = std::int64_t{call.unique_for.count()};
    out.message.mandatory = false;  // a repeat goes nowhere
  }
  return out;
}

std::optional<client::Encoded> outgoing_now(const CallData& call, const std::string& reply_to,
                                            const std::string& origin, bool durable_result,
                                            const std::string& message_id) {
  if (!call.unique_key.empty()) return std::nullopt;
  if (call.eta && *call.eta > std::chrono::system_clock::now()) return std::nullopt;
  client::Encoded message;
  thread_local Buffer content;  // kept for its memory
  content.clear();
  message.properties_bytes = encode_call(call, reply_to, origin, message_id, durable_result, content);
  message.content = client::RecycledBytes(content.view());
  if (content.capacity() > kKeptContent) content.release();
  message.routing_key = call.queue;
  return message;
}

void forget_its_way(Message& message) {
  for (const char* header : {"x-delay", "x-deduplication-header", "x-cache-ttl", "CC"})
    message.headers.erase(header);
  message.persistent = true;
  message.mandatory = true;
  message.expiration = std::chrono::milliseconds(-1);  // Celery's; the header counts, and tells the caller
  message.user_id.clear();                             // the broker holds it against who publishes
}

Outgoing outgoing_later(const std::string& queue, Message message, Milliseconds pause) {
  forget_its_way(message);
  message.message_id.clear();
  if (pause.count() <= 0) return {Places::Need::queue, queue, Address(queue), std::move(message)};
  message.headers["x-delay"] = delay_field(pause);
  return {Places::Need::delayed, queue, Address(kDelayedExchange, queue), std::move(message)};
}

}  // namespace millrace::tasks
