// Users whom a directory knows (LDAP, RFC 4511): who can bind by the password is let in; groups say which
// tags and vhosts are theirs. In a vhost of theirs they may do everything. Whom to bind as is made from the
// name, or is looked up by a search of a service's account.
//
// The library waits, so it works on threads of its own, and each wait ends after LdapSettings::timeout.
// Groups are compared as the user, who must be allowed to. Logins are remembered for LdapSettings::cache,
// refusals too, passwords as MACs. Bounds: kMaxPending at once. Thread: log_in() and ask() any, use() and
// answers `home`'s.
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

  // The password of the account that searches, as it is in its file now; empty without a file. Errors:
  // io_error, invalid_argument; the text names the file. Any thread.
  static result<Secret> read_password(const LdapSettings& settings);

  LdapAuthority(LdapSettings settings, Secret bind_password, std::shared_ptr<const LdapLibrary> library,
                const LoginKey& key, std::vector<runtime::DiskExecutor*> threads, runtime::Executor& home,
                const runtime::Clock& clock, Warn warn);

  // Instead of the password that it had.
  void use(Secret bind_password) { bind_password_ = std::move(bind_password); }

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
  Verdict find_out(const broker::AuthorityLogin& login, const Secret& bind_password) const;
  // Who it is by a search; empty: nobody, or, with `error` set, it could not be found out.
  std::string look_up(const std::string& user, const Secret& bind_password, std::string& error) const;

  LdapSettings settings_;
  Secret bind_password_;
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
// A value as part of a filter (RFC 4515 §3).
std::string escape_filter(std::string_view value);
// ${username} filled in, escaped.
std::string fill_in_filter(std::string_view pattern, std::string_view user);
// ${username} and ${vhost} filled in, escaped.
std::string fill_in_dn(std::string_view pattern, std::string_view user, std::string_view vhost);

}  // namespace millrace::auth
