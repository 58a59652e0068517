// Users whom tokens name (OAuth 2, OpenID Connect): who has a good one is let in, with the rights of its
// scopes.
//
// Signatures are verified on the executor's thread, which is no shard's. The issuer's keys come from a file,
// or from a URL: then they are fetched when the broker starts, again when they are older than kKeysAge, and
// when a token is signed by a key that is not known, at most once in kFetchInterval; what cannot be fetched
// leaves the keys as they are. Bounds: kMaxPending logins. Thread: log_in() any, all else `home`'s.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/settings.hpp"
#include "broker/access/authority.hpp"
#include "net/http_client.hpp"
#include "runtime/clock.hpp"
#include "runtime/executor.hpp"

namespace millrace::auth {

class TokenAuthority final : public broker::Authority {
 public:
  static constexpr std::size_t kMaxPending = 1000;
  static constexpr runtime::Milliseconds kFetchInterval{5'000};
  static constexpr runtime::Milliseconds kFetchTimeout{5'000};
  static constexpr runtime::Milliseconds kKeysAge{900'000};

  // Says something to the operator.
  using Warn = std::function<void(const std::string&)>;

  // What files say, now. Errors: io_error, invalid_argument; the text names the file. Any thread.
  static result<KeySet> read_files(const TokenSettings& settings);

  // `client`: null unless there is a URL. All outlive it.
  TokenAuthority(TokenSettings settings, KeySet of_files, net::HttpClient* client, runtime::Executor& home,
                 const runtime::Clock& clock, Warn warn);
  ~TokenAuthority() override;

  // Fetches the keys, if they come from a URL.
  void start();
  // Instead of those that it had from files.
  void use(KeySet of_files);

  bool understands(std::string_view secret) const noexcept override { return looks_like_token(secret); }
  void log_in(broker::AuthorityLogin login, Answer answer) override;

 private:
  struct Login {
    Secret token;
    Answer answer;
  };
  void verify(Login login, bool is_last_try);
  void finish(Login login, result<broker::Subject> outcome);
  result<broker::Subject> subject_of(Token token) const;
  bool may_fetch() const;
  void fetch();
  void fetched(result<net::HttpReply> reply);
  void reread_file();

  TokenSettings settings_;
  KeySet keys_;
  net::HttpClient* client_;
  runtime::Executor& home_;
  const runtime::Clock& clock_;
  Warn warn_;
  std::atomic<std::size_t> pending_{0};
  std::vector<Login> waiting_;  // for the keys that are being fetched
  bool fetching_ = false;
  std::optional<runtime::Nanoseconds> asked_at_;
  std::optional<runtime::Nanoseconds> keys_at_;
};

}  // namespace millrace::auth
