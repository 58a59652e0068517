// What a connection's user has shown to get in, for as long as it counts.
#include <algorithm>

#include "broker/access/authority.hpp"
#include "broker/node/connection_impl.hpp"
#include "broker/node/connection_waits.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

// The wall clock may be set while we wait: it is looked at again after this at the latest.
constexpr std::int64_t kLookAgainMs = 60'000;

}  // namespace

void ConnectionImpl::watch_end() {
  forget_end();
  if (subject_.ends_ms == Subject::kNeverEnds) return;
  const std::int64_t left = subject_.ends_ms - shard_->runtime().clock.wall().count();
  const auto wait = runtime::Milliseconds(std::clamp<std::int64_t>(left, 0, kLookAgainMs));
  has_end_timer_ = true;
  end_timer_ = shard_->runtime().timers.start(wait, [this] {
    has_end_timer_ = false;
    if (closing_) return;
    if (subject_.ends_ms > shard_->runtime().clock.wall().count()) return watch_end();
    listener_.on_close_requested(fail(Errc::shutting_down, "credential expired"));
    shard_->touch(*this);
  });
}

void ConnectionImpl::forget_end() noexcept {
  if (std::exchange(has_end_timer_, false)) shard_->runtime().timers.cancel(end_timer_);
}

void ConnectionImpl::update_secret(std::string_view secret, Done<void> done) {
  // Users with a password need no new one while they are connected: RabbitMQ's internal back end takes any.
  if (!subject_.rights) {
    if (shard_->replica().access().find_user(subject_.user) == nullptr) {
      return done(fail(Errc::not_allowed, "user '" + subject_.user + "' is deleted"));
    }
    return done({});
  }
  done = in_order(std::move(done));
  auto renewed = [this, done = std::move(done)](result<Subject> answer) mutable {
    if (answer.has_error()) return done(fail(Errc::not_allowed, answer.error().text));
    if (answer->user != subject_.user) {
      return done(fail(Errc::not_allowed, "the new secret is of user '" + answer->user + "'"));
    }
    if (authority_asked(answer->rights) != nullptr) {
      answer->rights = subject_.rights;  // what is known of them goes stale by itself
    } else if (auto ok = shard_->replica().access().authorize_vhost(*answer, vhost_); ok.has_error()) {
      return done(ok);
    }
    subject_ = std::move(*answer);
    cache_.version = 0;  // what it may publish to is found out anew
    watch_end();
    done({});
  };
  shard_->renew(subject_.user, std::string(secret), info_,
                come_back<Subject>(shard_->id(), std::move(renewed)));
}

}  // namespace millrace::broker
