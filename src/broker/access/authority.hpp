// Who else than the broker's own definitions knows users: a token's issuer, an HTTP service, a directory.
//
// An authority answers later, from a thread of its own, and never blocks a shard. Whatever it cannot find out
// is a refusal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/task.hpp"

namespace millrace::broker {

struct Subject;
enum class Permission : std::uint8_t;
enum class ResourceKind : std::uint8_t;
class Authority;

// What an authority lets one user do; the broker's own permissions do not count for that user. The name of
// the default exchange is amq.default.
//
// Of a login: immutable, any thread. Of a connection whose rights are asked for one by one: its shard's.
class Rights {
 public:
  virtual ~Rights() = default;
  virtual bool may_enter(std::string_view vhost) const = 0;
  virtual bool may(std::string_view vhost, ResourceKind kind, std::string_view name,
                   Permission permission) const = 0;
  virtual bool may_topic(std::string_view vhost, std::string_view exchange, std::string_view routing_key,
                         Permission permission) const = 0;
  // Who has to be asked for each right before it is looked at here; what was not asked for is refused. Null:
  // all is known.
  virtual Authority* asks() const noexcept { return nullptr; }
};

// Who has to be asked for each right of one with these rights; null: nobody.
inline Authority* authority_asked(const std::shared_ptr<const Rights>& rights) noexcept {
  return rights ? rights->asks() : nullptr;
}

struct AuthorityLogin {
  std::string user;  // empty: the secret says who it is
  Secret secret;
  std::string peer;                 // "192.0.2.1:4711"
  std::vector<std::string> vhosts;  // that there are, at most kMaxVhosts of them
  static constexpr std::size_t kMaxVhosts = 64;
};

// The vhosts of such a map that an authority is asked about.
template <class Vhosts>
std::vector<std::string> vhosts_to_ask_for(const Vhosts& vhosts) {
  std::vector<std::string> names;
  for (const auto& [name, vhost] : vhosts) {
    if (names.size() < AuthorityLogin::kMaxVhosts) names.push_back(name);
  }
  return names;
}

// One right of one user.
struct RightQuestion {
  enum class About : std::uint8_t { vhost, resource, topic };
  About about = About::vhost;
  std::string user;
  std::vector<std::string> tags;
  std::string peer;
  std::string vhost;
  ResourceKind kind{};  // of a resource
  std::string name;     // of a resource; the exchange of a topic
  Permission permission{};
  std::string routing_key;  // of a topic
};

struct RightAnswer {
  bool allowed = false;
  std::int64_t fresh_ms = 0;  // for so long it need not be asked again
};

class Authority {
 public:
  // Who it is, with Subject::rights set. access_refused: not let in. io_error: could not be asked, which the
  // operator is to know.
  using Answer = UniqueFunction<void(result<Subject>)>;

  virtual ~Authority() = default;
  // Whether it is worth asking: a secret that is no token is nothing to who verifies tokens. Any thread.
  virtual bool understands(std::string_view secret) const noexcept = 0;
  // Any thread; the answer comes once, on any thread, and in bounded time.
  virtual void log_in(AuthorityLogin login, Answer answer) = 0;
  // Of those whose Rights say that it is asked. Likewise; what cannot be found out is not allowed.
  virtual void ask(RightQuestion, UniqueFunction<void(RightAnswer)> answer) { answer({}); }
};

}  // namespace millrace::broker
