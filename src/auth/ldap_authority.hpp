// Users whom a directory knows (LDAP, RFC 4511): who can bind by the password is let in; groups say which
// tags and vhosts are theirs. In a vhost of theirs they may do everything.
//
// The library waits, so it works on threads of its own, and each wait ends after LdapSettings::timeout.
// Groups are compared as the user, who must be allowed to. Logins are remembered for LdapSettings::cache,
// refusals too, passwords as MACs. Bounds: kMaxPending at once. Thread: log_in() and ask() any, answers on
// `home`'s.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/answers.hpp"
#include "auth/ldap_library.hpp"
#include "auth/login_key.hpp"
#include "auth/settings.hpp"
#include "broker/access/authority.hpp"
#include "runtime/executor.hpp"

namespace millrace::auth {

class LdapAuthority final : public broker::Authority {
 public:
  static constexpr std::size_t kMaxPending = 200;
  using Warn = std::function<void(const std::string&)>;

  LdapAuthority(LdapSettings settings, std::shared_ptr<const LdapLibrary> library, const LoginKey& key,
                std::vector<runtime::DiskExecutor*> threads, runtime::Executor& home,
                const runtime::Clock& clock, Warn warn);

  // An empty password binds as nobody, which succeeds (RFC 4513 §5.1.2): it is never tried.
  bool understands(std::string_view secret) const noexcept override { return !secret.empty(); }
  void log_in(broker::AuthorityLogin login, Answer answer) override;

 private:
  struct Verdict {
    bool allowed = false;
    std::vector<std::string> tags;
    bool all_vhosts = false;
    std::vector<std::string> vhosts;
    std::string error;  // it could not be found out
  };
  class Session;
  Verdict find_out(const broker::AuthorityLogin& login) const;

  LdapSettings settings_;
  std::shared_ptr<const LdapLibrary> library_;
  LoginKey key_;
  std::vector<runtime::DiskExecutor*> threads_;
  std::size_t next_thread_ = 0;
  runtime::Executor& home_;
  const runtime::Clock& clock_;
  Warn warn_;
  Answers<Verdict> answers_;
  std::atomic<std::size_t> pending_{0};
};

// A value as part of a distinguished name (RFC 4514 §2.4).
std::string escape_dn(std::string_view value);
// ${username} and ${vhost} filled in, escaped.
std::string fill_in_dn(std::string_view pattern, std::string_view user, std::string_view vhost);

}  // namespace millrace::auth
