#include "broker/access/access_control.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "base/assert.hpp"
#include "broker/access/authority.hpp"
#include "broker/access/pattern.hpp"
#include "broker/text_hash.hpp"

namespace millrace::broker {
namespace {

// Outcomes kept of each kind; beyond, all are forgotten and learned again.
constexpr std::size_t kMaxOutcomes = 65'536;
// Names end at 255 bytes in most protocols; longer questions are answered anew each time.
constexpr std::size_t kMaxOutcomeKeyBytes = 1024;

struct TopicPatterns {
  std::string write;  // with {username} and {vhost} filled in
  std::string read;
};

struct Grant {
  PermissionSpec patterns;
  bool given = false;             // a vhost may have topic permissions alone: they open nothing
  TextMap<TopicPatterns> topics;  // by exchange
};

struct Limit {
  std::string name;
  std::int64_t value = 0;
};

using Outcomes = boost::unordered_flat_map<std::string, bool, TextHash, TextEqual>;

void append_literal(std::string& out, std::string_view text) {
  out += "(?:";
  for (const char c : text) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    if (ascii && !word) out += '\\';
    out += c;
  }
  out += ')';
}

std::string fill_in(std::string_view pattern, std::string_view user, std::string_view vhost) {
  constexpr std::string_view kUser = "{username}";
  constexpr std::string_view kVhost = "{vhost}";
  std::string filled;
  while (!pattern.empty()) {
    if (pattern.starts_with(kUser)) {
      append_literal(filled, user);
      pattern.remove_prefix(kUser.size());
    } else if (pattern.starts_with(kVhost)) {
      append_literal(filled, vhost);
      pattern.remove_prefix(kVhost.size());
    } else {
      filled += pattern.front();
      pattern.remove_prefix(1);
    }
  }
  return filled;
}

std::string_view pattern_for(const PermissionSpec& patterns, Permission permission) noexcept {
  switch (permission) {
    case Permission::configure:
      return patterns.configure;
    case Permission::write:
      return patterns.write;
    case Permission::read:
      return patterns.read;
  }
  return "";
}

std::string quoted(std::string_view name) {
  std::string text = "'";
  text += name;
  text += '\'';
  return text;
}

}  // namespace

std::string_view to_string(Permission permission) noexcept {
  switch (permission) {
    case Permission::configure:
      return "configure";
    case Permission::write:
      return "write";
    case Permission::read:
      return "read";
  }
  return "";
}

std::string_view to_string(ResourceKind kind) noexcept {
  switch (kind) {
    case ResourceKind::queue:
      return "queue";
    case ResourceKind::exchange:
      return "exchange";
  }
  return "";
}

struct AccessControl::State {
  TextMap<UserSpec> users;
  TextMap<TextMap<Grant>> grants;  // by user, then vhost
  TextMap<std::vector<Limit>> user_limits, vhost_limits;

  // Learned as asked, forgotten with every change. Topics are apart: their keys are many, and must not push
  // names out.
  Outcomes outcomes;
  Outcomes topic_outcomes;
  TextMap<Pattern> compiled;  // by text, most of which users share
  std::uint64_t version = 1;
  RefusalListener on_refusal;
  std::string key;  // of the question being asked; kept for its room

  void changed() {
    ++version;
    outcomes.clear();
    topic_outcomes.clear();
    compiled.clear();
  }

  const Grant* find_grant(std::string_view user, std::string_view vhost) const noexcept {
    const auto of_user = grants.find(user);
    if (of_user == grants.end()) return nullptr;
    const auto found = of_user->second.find(vhost);
    return found == of_user->second.end() ? nullptr : &found->second;
  }
  Grant& grant(const std::string& user, const std::string& vhost) { return grants[user][vhost]; }
  void drop_if_empty(std::string_view user, std::string_view vhost) {
    const auto of_user = grants.find(user);
    if (of_user == grants.end()) return;
    const auto found = of_user->second.find(vhost);
    if (found != of_user->second.end() && !found->second.given && found->second.topics.empty())
      of_user->second.erase(found);
    if (of_user->second.empty()) grants.erase(of_user);
  }

  bool matches(std::string_view pattern, std::string_view name) {
    if (pattern.empty()) return name.empty();
    auto found = compiled.find(pattern);
    if (found == compiled.end()) found = compiled.emplace(std::string(pattern), Pattern(pattern)).first;
    return found->second.search(name);
  }

  // The key ends with the one part whose length is not stated.
  void begin_key(std::string_view user, std::string_view vhost, char operation) {
    key.clear();
    for (const std::string_view part : {user, vhost}) {
      const std::uint64_t size = part.size();
      key.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
    }
    key += operation;
  }

  static void learn(Outcomes& into, const std::string& key, bool allowed) {
    if (key.size() > kMaxOutcomeKeyBytes) return;
    if (into.size() >= kMaxOutcomes) into.clear();
    into.emplace(key, allowed);
  }

  bool allowed(std::string_view user, std::string_view vhost, std::string_view name, Permission permission) {
    begin_key(user, vhost, static_cast<char>(permission));
    key += name;
    if (const auto known = outcomes.find(key); known != outcomes.end()) return known->second;
    const Grant* grant = users.contains(user) ? find_grant(user, vhost) : nullptr;
    const bool yes =
        grant != nullptr && grant->given && matches(pattern_for(grant->patterns, permission), name);
    learn(outcomes, key, yes);
    return yes;
  }

  bool topic_allowed(std::string_view user, std::string_view vhost, std::string_view exchange,
                     std::string_view routing_key, bool write) {
    if (!users.contains(user)) return false;
    const Grant* grant = find_grant(user, vhost);
    if (grant == nullptr) return true;
    const auto topic = grant->topics.find(exchange);
    if (topic == grant->topics.end()) return true;
    begin_key(user, vhost, write ? 'w' : 'r');
    const std::uint64_t size = exchange.size();
    key.append(reinterpret_cast<const char*>(&size), sizeof size).append(exchange).append(routing_key);
    if (const auto known = topic_outcomes.find(key); known != topic_outcomes.end()) return known->second;
    const bool yes = matches(write ? topic->second.write : topic->second.read, routing_key);
    learn(topic_outcomes, key, yes);
    return yes;
  }
};

AccessControl::AccessControl() : state_(std::make_unique<State>()) {}
AccessControl::~AccessControl() = default;

void AccessControl::put_user(UserSpec user) {
  state_->changed();
  std::string name = user.name;
  state_->users.insert_or_assign(std::move(name), std::move(user));
}

void AccessControl::remove_user(std::string_view name) {
  state_->changed();
  if (const auto found = state_->users.find(name); found != state_->users.end()) state_->users.erase(found);
  if (const auto found = state_->grants.find(name); found != state_->grants.end())
    state_->grants.erase(found);
  if (const auto found = state_->user_limits.find(name); found != state_->user_limits.end())
    state_->user_limits.erase(found);
}

const UserSpec* AccessControl::find_user(std::string_view name) const noexcept {
  const auto found = state_->users.find(name);
  return found == state_->users.end() ? nullptr : &found->second;
}

void AccessControl::put_permission(PermissionSpec permission) {
  state_->changed();
  Grant& grant = state_->grant(permission.user, permission.vhost);
  grant.patterns = std::move(permission);
  grant.given = true;
}

void AccessControl::remove_permission(std::string_view user, std::string_view vhost) {
  state_->changed();
  if (state_->find_grant(user, vhost) == nullptr) return;
  Grant& grant = state_->grants.find(user)->second.find(vhost)->second;
  grant.patterns = {};
  grant.given = false;
  state_->drop_if_empty(user, vhost);
}

void AccessControl::put_topic_permission(TopicPermissionSpec permission) {
  state_->changed();
  TopicPatterns patterns;
  patterns.write = fill_in(permission.write, permission.user, permission.vhost);
  patterns.read = fill_in(permission.read, permission.user, permission.vhost);
  state_->grant(permission.user, permission.vhost)
      .topics.insert_or_assign(std::move(permission.exchange), std::move(patterns));
}

void AccessControl::remove_topic_permission(std::string_view user, std::string_view vhost,
                                            std::string_view exchange) {
  state_->changed();
  if (state_->find_grant(user, vhost) == nullptr) return;
  TextMap<TopicPatterns>& topics = state_->grants.find(user)->second.find(vhost)->second.topics;
  if (const auto found = topics.find(exchange); found != topics.end()) topics.erase(found);
  state_->drop_if_empty(user, vhost);
}

void AccessControl::remove_vhost(std::string_view name) {
  state_->changed();
  for (auto of_user = state_->grants.begin(); of_user != state_->grants.end();) {
    if (const auto found = of_user->second.find(name); found != of_user->second.end())
      of_user->second.erase(found);
    of_user = of_user->second.empty() ? state_->grants.erase(of_user) : std::next(of_user);
  }
  if (const auto found = state_->vhost_limits.find(name); found != state_->vhost_limits.end())
    state_->vhost_limits.erase(found);
}

void AccessControl::put_limit(const LimitSpec& limit) {
  auto& limits = limit.of_user ? state_->user_limits : state_->vhost_limits;
  std::vector<Limit>& of_subject = limits[limit.subject];
  std::erase_if(of_subject, [&](const Limit& there) { return there.name == limit.limit; });
  if (limit.value >= 0) of_subject.push_back({limit.limit, limit.value});
  if (of_subject.empty()) limits.erase(limits.find(limit.subject));
}

std::int64_t AccessControl::limit_of(bool user, std::string_view subject,
                                     std::string_view limit) const noexcept {
  const auto& limits = user ? state_->user_limits : state_->vhost_limits;
  const auto found = limits.find(subject);
  if (found == limits.end()) return -1;
  for (const Limit& there : found->second) {
    if (there.name == limit) return there.value;
  }
  return -1;
}

void AccessControl::on_refusal(RefusalListener listener) {
  state_->on_refusal = std::move(listener);
}

Error AccessControl::refuse(const Subject& subject, std::string_view vhost, Errc code,
                            std::string text) const {
  Error why = fail(code, std::move(text));
  if (state_->on_refusal) state_->on_refusal(subject, vhost, why);
  return why;
}

std::uint64_t AccessControl::version() const noexcept {
  return state_->version;
}

result<void> AccessControl::authorize(const Subject& subject, std::string_view vhost, ResourceKind kind,
                                      std::string_view name, Permission permission) {
  if (kind == ResourceKind::exchange && name.empty()) name = "amq.default";
  if (subject.owner) return {};
  const bool allowed = subject.rights ? subject.rights->may(vhost, kind, name, permission)
                                      : state_->allowed(subject.user, vhost, name, permission);
  if (allowed) return {};
  std::string text(to_string(permission));
  text.append(" access to ").append(to_string(kind)).append(" ").append(quoted(name));
  text.append(" in vhost ").append(quoted(vhost)).append(" refused for user ").append(quoted(subject.user));
  return refuse(subject, vhost, Errc::access_refused, std::move(text));
}

result<void> AccessControl::authorize_topic(const Subject& subject, std::string_view vhost,
                                            std::string_view exchange, std::string_view routing_key,
                                            Permission permission) {
  MILLRACE_ASSERT(permission != Permission::configure, "topics are written and read, never configured");
  if (subject.owner) return {};
  const bool allowed = subject.rights ? subject.rights->may_topic(vhost, exchange, routing_key, permission)
                                      : state_->topic_allowed(subject.user, vhost, exchange, routing_key,
                                                              permission == Permission::write);
  if (allowed) return {};
  std::string text(to_string(permission));
  text.append(" access to topic ").append(quoted(routing_key)).append(" in exchange ");
  text.append(quoted(exchange)).append(" in vhost ").append(quoted(vhost));
  text.append(" refused for user ").append(quoted(subject.user));
  return refuse(subject, vhost, Errc::access_refused, std::move(text));
}

result<void> AccessControl::authorize_vhost(const Subject& subject, std::string_view vhost) const {
  if (subject.owner) return {};
  if (subject.rights) {
    if (subject.rights->may_enter(vhost)) return {};
  } else {
    const Grant* grant =
        state_->users.contains(subject.user) ? state_->find_grant(subject.user, vhost) : nullptr;
    if (grant != nullptr && grant->given) return {};
  }
  std::string text = "access to vhost ";
  text.append(quoted(vhost)).append(" refused for user ").append(quoted(subject.user));
  return refuse(subject, vhost, Errc::not_allowed, std::move(text));
}

}  // namespace millrace::broker
