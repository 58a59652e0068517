// Users whom an HTTP server knows, asked as RabbitMQ's HTTP back end asks: forms by POST, answered by
// "allow", "allow TAG…" or "deny". Everything else, also no answer in time, is a refusal.
//
// Answers are remembered for HttpSettings::cache, refusals too; passwords as MACs. Thread: log_in() and ask()
// any, the answers on `home`'s, which is the client's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "auth/answers.hpp"
#include "auth/login_key.hpp"
#include "auth/settings.hpp"
#include "broker/access/authority.hpp"
#include "net/http_client.hpp"
#include "runtime/executor.hpp"

namespace millrace::auth {

class HttpAuthority final : public broker::Authority {
 public:
  // Lines for the operator, at most one in this time.
  static constexpr runtime::Milliseconds kWarnInterval{1'000};
  using Warn = std::function<void(const std::string&)>;

  HttpAuthority(HttpSettings settings, const LoginKey& key, net::HttpClient& client, runtime::Executor& home,
                const runtime::Clock& clock, Warn warn);

  bool understands(std::string_view secret) const noexcept override { return !secret.empty(); }
  void log_in(broker::AuthorityLogin login, Answer answer) override;
  void ask(broker::RightQuestion question, UniqueFunction<void(broker::RightAnswer)> answer) override;

 private:
  struct Verdict {
    bool allowed = false;
    std::vector<std::string> tags;
    std::string error;  // it could not be found out
  };
  static Verdict read(const result<net::HttpReply>& reply, bool may_have_tags);
  void find_out(const std::string& key, const net::Url& url, std::string form, bool may_have_tags);
  void warn(const std::string& line);

  HttpSettings settings_;
  LoginKey key_;
  net::HttpClient& client_;
  runtime::Executor& home_;
  const runtime::Clock& clock_;
  Warn warn_;
  Answers<Verdict> answers_;
  runtime::Nanoseconds warned_at_{-kWarnInterval};
};

}  // namespace millrace::auth
