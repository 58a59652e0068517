// Who may do what: users, permissions, topic permissions and limits, one replica a shard, the only place
// where they are checked.
//
// Patterns are searched as access/pattern.hpp says; a malformed pattern or an exceeded limit denies; an empty
// pattern matches only the empty name. Outcomes are cached for each (user, vhost, operation, name), bounded,
// and forgotten with every change. Of a subject that an authority knows, its rights are asked instead
// (access/authority.hpp). Thread: the shard's. Texts are RabbitMQ's (rabbit_access_control).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "broker/connection.hpp"
#include "broker/specs.hpp"

namespace millrace::broker {

enum class Permission : std::uint8_t { configure, write, read };
enum class ResourceKind : std::uint8_t { queue, exchange };
std::string_view to_string(Permission permission) noexcept;
std::string_view to_string(ResourceKind kind) noexcept;

class AccessControl {
 public:
  AccessControl();
  ~AccessControl();

  void put_user(UserSpec user);
  void remove_user(std::string_view name);  // with its permissions
  const UserSpec* find_user(std::string_view name) const noexcept;
  void put_permission(PermissionSpec permission);
  void remove_permission(std::string_view user, std::string_view vhost);
  void put_topic_permission(TopicPermissionSpec permission);
  void remove_topic_permission(std::string_view user, std::string_view vhost, std::string_view exchange);
  void remove_vhost(std::string_view name);
  void put_limit(const LimitSpec& limit);
  // -1: none.
  std::int64_t limit_of(bool user, std::string_view subject, std::string_view limit) const noexcept;

  // Hears of each refusal below, for the audit log.
  using RefusalListener =
      std::function<void(const Subject& subject, std::string_view vhost, const Error& why)>;
  void on_refusal(RefusalListener listener);

  // Rises with every change of users and permissions: outcomes that a caller keeps are valid for one version.
  std::uint64_t version() const noexcept;

  // access_refused: "configure access to queue 'q' in vhost '/' refused for user 'u'". The default exchange
  // is checked as amq.default.
  result<void> authorize(const Subject& subject, std::string_view vhost, ResourceKind kind,
                         std::string_view name, Permission permission);
  // "write access to topic 'rk' in exchange 'x' in vhost '/' refused for user 'u'". Allowed where the user
  // has no topic permission for the exchange. {username} and {vhost} in the pattern stand for themselves as
  // literals.
  result<void> authorize_topic(const Subject& subject, std::string_view vhost, std::string_view exchange,
                               std::string_view routing_key, Permission permission);
  // not_allowed: "access to vhost 'v' refused for user 'u'".
  result<void> authorize_vhost(const Subject& subject, std::string_view vhost) const;

 private:
  Error refuse(const Subject& subject, std::string_view vhost, Errc code, std::string text) const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::broker
