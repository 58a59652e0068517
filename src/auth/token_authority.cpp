#include "auth/token_authority.hpp"

#include <utility>

#include "auth/scopes.hpp"
#include "broker/connection.hpp"
#include "net/text_file.hpp"

namespace millrace::auth {
namespace {

Error in_file(const std::string& path, const Error& what) {
  return fail(what.code, "'" + path + "': " + what.text);
}

}  // namespace

result<KeySet> TokenAuthority::read_files(const TokenSettings& settings) {
  KeySet keys;
  if (!settings.keys_file.empty()) {
    const auto text = net::read_text_file(settings.keys_file);
    if (!text) return text.error();
    auto parsed = KeySet::parse(*text);
    if (!parsed) return in_file(settings.keys_file, parsed.error());
    keys = std::move(*parsed);
  }
  if (!settings.secret_file.empty()) {
    auto secret = net::read_secret_file(settings.secret_file);
    if (!secret) return secret.error();
    if (auto added = keys.add_secret(std::move(*secret)); added.has_error())
      return in_file(settings.secret_file, added.error());
  }
  return keys;
}

TokenAuthority::TokenAuthority(TokenSettings settings, KeySet of_files, net::HttpClient* client,
                               runtime::Executor& home, const runtime::Clock& clock, Warn warn)
    : settings_(std::move(settings)),
      keys_(std::move(of_files)),
      client_(client),
      home_(home),
      clock_(clock),
      warn_(std::move(warn)) {}

TokenAuthority::~TokenAuthority() = default;

void TokenAuthority::start() {
  if (settings_.keys_url) fetch();
}

void TokenAuthority::use(KeySet of_files) {
  if (!settings_.keys_url) {
    keys_ = std::move(of_files);
  } else {
    fetch();
  }
}

void TokenAuthority::log_in(broker::AuthorityLogin login, Answer answer) {
  if (pending_.fetch_add(1) >= kMaxPending) {
    --pending_;
    return answer(fail(Errc::io_error, "too many tokens are being verified"));
  }
  home_.post([this, one = Login{std::move(login.secret), std::move(answer)}]() mutable {
    const bool are_old = keys_at_ && clock_.steady() - *keys_at_ > kKeysAge;
    if (are_old && settings_.keys_url && may_fetch()) fetch();
    verify(std::move(one), false);
  });
}

void TokenAuthority::verify(Login login, bool is_last_try) {
  auto token = read_token(login.token.reveal(), keys_, settings_.rules, clock_.wall().count());
  if (token) return finish(std::move(login), subject_of(std::move(*token)));
  if (token.error().code == Errc::not_found && !is_last_try) {
    if (!settings_.keys_url && may_fetch()) {
      reread_file();
      return verify(std::move(login), true);
    }
    if (settings_.keys_url && (fetching_ || may_fetch())) {
      waiting_.push_back(std::move(login));
      return fetch();
    }
  }
  finish(std::move(login), fail(Errc::access_refused, token.error().text));
}

void TokenAuthority::finish(Login login, result<broker::Subject> outcome) {
  --pending_;
  login.answer(std::move(outcome));
}

result<broker::Subject> TokenAuthority::subject_of(Token token) const {
  Scopes scopes = read_scopes(token.scopes, settings_.scope_prefix);
  broker::Subject subject;
  subject.user = std::move(token.user);
  subject.tags = std::move(scopes.tags);
  subject.rights = std::move(scopes.rights);
  subject.ends_ms = token.ends_ms;
  return subject;
}

// Strangers may show what they like: their tokens do not decide how often the issuer is asked.
bool TokenAuthority::may_fetch() const {
  return !asked_at_ || clock_.steady() - *asked_at_ >= kFetchInterval;
}

void TokenAuthority::reread_file() {
  asked_at_ = clock_.steady();
  auto read = read_files(settings_);
  if (!read) return warn_("keys of tokens stay as they are: " + read.error().text);
  keys_ = std::move(*read);
}

void TokenAuthority::fetch() {
  if (fetching_) return;
  fetching_ = true;
  asked_at_ = clock_.steady();
  client_->get(*settings_.keys_url, kFetchTimeout,
               [this](result<net::HttpReply> reply) { fetched(std::move(reply)); });
}

void TokenAuthority::fetched(result<net::HttpReply> reply) {
  fetching_ = false;
  result<KeySet> set = fail(Errc::io_error, "");
  if (reply.has_error()) {
    set = reply.error();
  } else if (reply->status != 200) {
    set = fail(Errc::io_error, settings_.keys_url->host + " answers " + std::to_string(reply->status));
  } else {
    set = KeySet::parse(reply->body);
  }
  if (set) {
    // The operator's secret comes from a file all the same.
    auto secret = read_files(settings_);
    if (secret) {
      for (const SignatureKey& key : secret->keys()) set->add(key);
      keys_ = std::move(*set);
      keys_at_ = clock_.steady();
    } else {
      warn_("keys of tokens stay as they are: " + secret.error().text);
    }
  } else {
    warn_("keys of tokens stay as they are: " + set.error().text);
  }
  for (Login& login : std::exchange(waiting_, {})) verify(std::move(login), true);
}

}  // namespace millrace::auth
