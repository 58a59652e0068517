#include "broker/access/asked_rights.hpp"

#include <algorithm>

#include "broker/access/access_control.hpp"

namespace millrace::broker {
namespace {

// The lengths keep one name from looking like two others.
std::string key_of(char about, std::string_view name, std::string_view routing_key, unsigned what) {
  std::string key{about, static_cast<char>('0' + what)};
  key += std::to_string(name.size());
  key += ' ';
  key.append(name).append(routing_key);
  return key;
}

std::string resource_key(ResourceKind kind, std::string_view name, Permission permission) {
  return key_of(kind == ResourceKind::queue ? 'q' : 'x', name, {}, static_cast<unsigned>(permission));
}

std::string topic_key(std::string_view exchange, std::string_view routing_key, Permission permission) {
  return key_of('t', exchange, routing_key, static_cast<unsigned>(permission));
}

std::string key_of(const RightQuestion& question) {
  return question.about == RightQuestion::About::topic
             ? topic_key(question.name, question.routing_key, question.permission)
             : resource_key(question.kind, question.name, question.permission);
}

}  // namespace

bool AskedRights::may_enter(std::string_view vhost) const {
  return std::find(vhosts_.begin(), vhosts_.end(), vhost) != vhosts_.end();
}

const KnownRights::Known* KnownRights::find(const std::string& key) const {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : &found->second;
}

bool KnownRights::is_fresh(const RightQuestion& question, std::int64_t now_ns) const {
  const Known* known = find(key_of(question));
  return known != nullptr && known->fresh_until_ns > now_ns;
}

void KnownRights::learn(const RightQuestion& question, const RightAnswer& answer, std::int64_t now_ns) {
  if (known_.size() >= kMaxKnown) known_.clear();
  const std::int64_t fresh_ms = std::max(answer.fresh_ms, kFreshMsMin);
  known_.insert_or_assign(key_of(question), Known{answer.allowed, now_ns + fresh_ms * 1'000'000});
}

bool KnownRights::may(std::string_view vhost, ResourceKind kind, std::string_view name,
                      Permission permission) const {
  const Known* known = vhost == vhost_ ? find(resource_key(kind, name, permission)) : nullptr;
  return known != nullptr && known->allowed;
}

bool KnownRights::may_topic(std::string_view vhost, std::string_view exchange, std::string_view routing_key,
                            Permission permission) const {
  const Known* known = vhost == vhost_ ? find(topic_key(exchange, routing_key, permission)) : nullptr;
  return known != nullptr && known->allowed;
}

}  // namespace millrace::broker
