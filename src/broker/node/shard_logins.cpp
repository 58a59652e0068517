// Who is let in: passwords, certificates, SCRAM, and whom the authorities know. Every front-end comes by
// here.
#include "broker/access/asked_rights.hpp"
#include "broker/access/scram.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {

// One login that is not decided yet. Touched by one thread at a time.
struct Shard::Attempt {
  std::string user;
  Secret secret;
  ConnectionInfo info;
  std::string stored;  // as it is when it is verified
  bool known = false;
  bool right = false;
  bool from_memory = false;
  bool is_token = false;
  bool own_asked = false;  // the broker's own users have been looked at
  std::string reason;      // why it was refused, for the operator alone
  Done<Subject> done;
};

namespace {

std::int64_t steady_ms(const runtime::Clock& clock) {
  return std::chrono::duration_cast<runtime::Milliseconds>(clock.steady()).count();
}

// Guesses of tokens are counted together: whose they are is not known.
const std::string& guarded_name(const std::string& user, bool is_token) {
  static const std::string kAnyToken = "(token)";
  return is_token ? kAnyToken : user;
}

// One text for every cause: what is wrong is not the stranger's business.
Error refusal_of(const std::string& user) {
  return fail(Errc::access_refused, "user '" + user + "' - invalid credentials");
}

}  // namespace

void Shard::count_login(const Attempt& attempt, const result<Subject>& outcome) {
  LoginCounters& logins = counters_.logins[attempt.info.protocol];
  ++(outcome.has_value() ? logins.accepted : logins.refused);
  if (outcome.has_error()) {
    shared_.options.log(LogLevel::warning, "login refused: " + outcome.error().text +
                                               (attempt.reason.empty() ? "" : " (" + attempt.reason + ")") +
                                               ", from " + attempt.info.peer);
  }
  if (!shared_.options.audit) return;
  // HTTP says who it is with each request: one line for all that are alike.
  if (attempt.from_memory && attempt.info.protocol == "HTTP") return;
  AuditEvent event;
  event.kind = outcome.has_value() ? AuditEvent::Kind::login_accepted : AuditEvent::Kind::login_refused;
  event.user = outcome.has_value() ? outcome->user : attempt.user;
  event.peer = attempt.info.peer;
  event.protocol = attempt.info.protocol;
  if (outcome.has_error()) {
    event.what = outcome.error().text + (attempt.reason.empty() ? "" : " (" + attempt.reason + ")");
  }
  shared_.options.audit(event);
}

// Of one who has shown who it is.
result<Subject> Shard::find_subject(const std::string& user, const ConnectionInfo& info) {
  if (user == "guest" && !info.peer_is_loopback) {
    return fail(Errc::access_refused, "user 'guest' can only connect via localhost");
  }
  const UserSpec* found = replica_.access().find_user(user);
  if (found == nullptr) return refusal_of(user);
  return Subject{found->name, found->tags, false, info.peer};
}

void Shard::authenticate(Credentials credentials, const ConnectionInfo& info, Done<Subject> done) {
  auto attempt = std::make_shared<Attempt>();
  attempt->user = std::move(credentials.user);
  attempt->secret = std::move(credentials.secret);
  attempt->info = info;
  attempt->is_token = credentials.is_token;
  attempt->done = std::move(done);
  const auto decide = [&](result<Subject> outcome) {
    count_login(*attempt, outcome);
    attempt->done(std::move(outcome));
  };
  if (credentials.by_certificate) {
    attempt->user = info.tls ? info.tls->user : std::string();
    if (attempt->user.empty()) return decide(fail(Errc::access_refused, "the peer shows no certificate"));
    return decide(find_subject(attempt->user, info));
  }
  if (attempt->user.empty() && info.peer_is_owner)
    return decide(Subject{"embedded", {"administrator", "impersonator"}, true, info.peer});
  if (attempt->is_token) return ask_next(attempt, 0);
  if (attempt->user == "guest" && !info.peer_is_loopback) return decide(find_subject(attempt->user, info));
  const UserSpec* user = replica_.access().find_user(attempt->user);
  // A token in the place of a password is not slow to verify, and cannot be guessed.
  if (user == nullptr && any_understands(*attempt) && attempt->user.empty()) {
    attempt->is_token = true;
    return ask_next(attempt, 0);
  }
  const bool own_first = shared_.options.authorities_before_own == 0;
  if (own_first && user != nullptr &&
      verified_->known(user->name, user->password, attempt->secret.reveal())) {
    attempt->from_memory = true;
    return decide(find_subject(attempt->user, info));
  }
  pass_guard(attempt->user, info, [this, attempt](result<void> passed) {
    if (passed.has_error()) return refuse_unread(attempt);
    ask_next(attempt, 0);
  });
}

bool Shard::any_understands(const Attempt& attempt, std::size_t from) const noexcept {
  const auto& authorities = shared_.options.authorities;
  for (; from < authorities.size(); ++from) {
    if (authorities[from]->understands(attempt.secret.reveal())) return true;
  }
  return false;
}

void Shard::ask_next(const std::shared_ptr<Attempt>& attempt, std::size_t from) {
  const auto& authorities = shared_.options.authorities;
  // A token names no user of the broker's.
  const bool asks_own = !attempt->own_asked && !attempt->is_token;
  const auto is_own = [&] { return asks_own && from == shared_.options.authorities_before_own; };
  while (from < authorities.size() && !is_own() && !authorities[from]->understands(attempt->secret.reveal()))
    ++from;
  if (is_own()) return ask_own(attempt, from);
  if (from == authorities.size()) return answered(attempt, refusal_of(attempt->user));
  AuthorityLogin login{attempt->user, attempt->secret, attempt->info.peer,
                       vhosts_to_ask_for(replica_.vhosts())};
  authorities[from]->log_in(std::move(login), [this, attempt, next = from + 1](result<Subject> answer) {
    auto shared_answer = std::make_shared<result<Subject>>(std::move(answer));
    runtime_.executor.post([this, attempt, next, shared_answer] {
      if (shared_answer->has_value()) return answered(attempt, std::move(*shared_answer));
      if (!attempt->reason.empty()) attempt->reason += "; ";
      attempt->reason += shared_answer->error().text;
      ask_next(attempt, next);
    });
  });
}

void Shard::ask_own(const std::shared_ptr<Attempt>& attempt, std::size_t next) {
  attempt->own_asked = true;
  const UserSpec* user = replica_.access().find_user(attempt->user);
  if (user != nullptr && verified_->known(user->name, user->password, attempt->secret.reveal())) {
    attempt->from_memory = true;
    return answered(attempt, find_subject(attempt->user, attempt->info));
  }
  if (user == nullptr && any_understands(*attempt, next)) return ask_next(attempt, next);
  verify(attempt, next);
}

void Shard::answered(const std::shared_ptr<Attempt>& attempt, result<Subject> outcome) {
  if (outcome.has_value()) {
    outcome->peer = attempt->info.peer;
    if (outcome->user == "guest" && !attempt->info.peer_is_loopback) {
      outcome = find_subject(outcome->user, attempt->info);
    }
  }
  auto shared_outcome = std::make_shared<result<Subject>>(std::move(outcome));
  tell_guard(guarded_name(attempt->user, attempt->is_token), attempt->info, shared_outcome->has_value(),
             [this, attempt, shared_outcome] {
               count_login(*attempt, *shared_outcome);
               attempt->done(std::move(*shared_outcome));
             });
}

void Shard::renew(const std::string& user, Secret secret, const ConnectionInfo& info, Done<Subject> done) {
  auto attempt = std::make_shared<Attempt>();
  attempt->user = user;
  attempt->secret = std::move(secret);
  attempt->info = info;
  attempt->is_token = true;
  attempt->done = std::move(done);
  ask_next(attempt, 0);
}

// It does not count as one more failure, or a flood of them would keep the door shut for as long as it lasts.
void Shard::refuse_unread(const std::shared_ptr<Attempt>& attempt) {
  runtime_.timers.start(runtime::Milliseconds(LoginGuard::kMaxDelayMs), [this, attempt] {
    const result<Subject> outcome = refusal_of(attempt->user);
    count_login(*attempt, outcome);
    attempt->done(outcome);
  });
}

// The derivation is the helper's, whose completions come on shard 0.
void Shard::verify(const std::shared_ptr<Attempt>& attempt, std::size_t next) {
  if (const UserSpec* user = replica_.access().find_user(attempt->user)) {
    attempt->known = true;
    attempt->stored = user->password;
  }
  shared_.helper->submit(
      [attempt] {
        if (attempt->known) {
          attempt->right = verify_password(attempt->stored, attempt->secret.reveal());
        } else {
          // An unknown user costs as much as a known one, so that names cannot be told apart by time.
          verify_nothing(attempt->secret.reveal());
        }
      },
      [this, attempt, next] {
        shared_.shards[0]->call(id_, [this, attempt, next] { finish(attempt, next); });
      });
}

void Shard::finish(const std::shared_ptr<Attempt>& attempt, std::size_t next) {
  if (!attempt->right) return ask_next(attempt, next);
  verified_->remember(attempt->user, attempt->stored, attempt->secret.reveal());
  answered(attempt, find_subject(attempt->user, attempt->info));
}

void Shard::pass_guard(const std::string& user, const ConnectionInfo& info, Done<void> done) {
  call(ShardId(0), [this, &shared = shared_, user, peer = info.peer, done = std::move(done)]() mutable {
    Shard& zero = *shared.shards[0];
    const std::int64_t wait =
        shared.login_guard.wait_ms(LoginGuard::source_of(peer), user, steady_ms(zero.runtime_.clock));
    auto go_on = [this, &zero, refused = wait < 0, done = std::move(done)]() mutable {
      zero.call(id_, [refused, done = std::move(done)]() mutable {
        if (refused) return done(fail(Errc::access_refused, "too many failed logins"));
        done({});
      });
    };
    if (wait <= 0) return go_on();
    zero.runtime_.timers.start(runtime::Milliseconds(wait), std::move(go_on));
  });
}

void Shard::tell_guard(const std::string& user, const ConnectionInfo& info, bool right, Task done) {
  call(ShardId(0),
       [this, &shared = shared_, user, peer = info.peer, right, done = std::move(done)]() mutable {
         Shard& zero = *shared.shards[0];
         const std::string_view source = LoginGuard::source_of(peer);
         std::int64_t delay = 0;
         if (right) {
           shared.login_guard.succeeded(source, user, steady_ms(zero.runtime_.clock));
         } else {
           delay = shared.login_guard.failed(source, user, steady_ms(zero.runtime_.clock));
         }
         auto go_on = [this, &zero, done = std::move(done)]() mutable { zero.call(id_, std::move(done)); };
         if (delay <= 0) return go_on();
         zero.runtime_.timers.start(runtime::Milliseconds(delay), std::move(go_on));
       });
}

void Shard::enter(const Subject& subject, std::string_view vhost, Done<Subject> done) {
  const auto* rights = dynamic_cast<const AskedRights*>(subject.rights.get());
  if (rights == nullptr || rights->may_enter(vhost)) return done(subject);
  RightQuestion question;
  question.about = RightQuestion::About::vhost;
  question.user = subject.user;
  question.tags = subject.tags;
  question.peer = subject.peer;
  question.vhost = vhost;
  struct Entering {
    Subject subject;
    std::string vhost;
    Done<Subject> done;
  };
  auto entering = std::make_shared<Entering>(Entering{subject, question.vhost, std::move(done)});
  rights->asks()->ask(std::move(question), [this, entering](RightAnswer answer) {
    runtime_.executor.post([entering, answer] {
      Subject& who = entering->subject;
      if (answer.allowed) {
        const auto& before = static_cast<const AskedRights&>(*who.rights);
        std::vector<std::string> vhosts = before.vhosts();
        vhosts.push_back(entering->vhost);
        who.rights = std::make_shared<AskedRights>(*before.asks(), std::move(vhosts));
      }
      entering->done(std::move(who));
    });
  });
}

void Shard::begin_scram(ScramHash hash, std::string_view client_first, const ConnectionInfo& info,
                        Done<ScramChallenge> done) {
  auto begun = ScramLogin::begin(hash, client_first);
  if (begun.has_error()) return done(fail(Errc::access_refused, begun.error().text));
  auto login = std::make_shared<ScramLogin>(std::move(*begun));
  pass_guard(login->user(), info,
             [this, login, from = info, done = std::move(done)](result<void> passed) mutable {
               if (passed.has_error()) {
                 auto attempt = std::make_shared<Attempt>();
                 attempt->user = login->user();
                 attempt->info = std::move(from);
                 attempt->done = [done = std::move(done)](result<Subject> outcome) mutable {
                   done(outcome.error());
                 };
                 return refuse_unread(attempt);
               }
               const UserSpec* user = replica_.access().find_user(login->user());
               std::array<std::uint8_t, 18> nonce;
               shared_.options.random(nonce);
               std::string first =
                   login->challenge(user != nullptr ? std::string_view(user->password) : std::string_view(),
                                    nonce, shared_.unknown_users_key);
               done(ScramChallenge{std::move(login), std::move(first)});
             });
}

void Shard::finish_scram(std::shared_ptr<ScramLogin> login, std::string_view client_final,
                         const ConnectionInfo& info, Done<ScramSuccess> done) {
  auto attempt = std::make_shared<Attempt>();
  attempt->user = login->user();
  attempt->info = info;
  // Only the broker itself has the keys that SCRAM wants.
  attempt->right = login->verify(client_final) && shared_.options.authorities_before_own.has_value();
  attempt->done = [login, done = std::move(done)](result<Subject> outcome) mutable {
    if (outcome.has_error()) return done(outcome.error());
    done(ScramSuccess{std::move(*outcome), login->server_final()});
  };
  tell_guard(attempt->user, info, attempt->right, [this, attempt] {
    result<Subject> outcome = refusal_of(attempt->user);
    if (attempt->right) outcome = find_subject(attempt->user, attempt->info);
    count_login(*attempt, outcome);
    attempt->done(std::move(outcome));
  });
}

}  // namespace millrace::broker
