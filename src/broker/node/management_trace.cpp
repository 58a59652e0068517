// Management's part of following messages: traces live where completions run, shards send what they see
// there.
#include <algorithm>

#include "broker/node/management_impl.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {

// Events are told by one clock, whatever is done to the other.
std::int64_t ManagementImpl::trace_epoch_us() {
  const runtime::Clock& clock = shared_.shards[0]->runtime().clock;
  if (trace_epoch_us_ == 0) trace_epoch_us_ = clock.wall().count() * 1000 - clock.steady().count() / 1000;
  return trace_epoch_us_;
}

Tap::Sink ManagementImpl::tap_sink() {
  return [this](Tap::Seen&& seen) {
    auto kept = std::make_shared<Tap::Seen>(std::move(seen));
    home_->post([this, kept] { keep(std::move(*kept)); });
  };
}

void ManagementImpl::tell_spans() {
  const std::int64_t epoch_us = trace_epoch_us();
  for (Shard* shard : shared_.shards) {
    shard->change_tap(tap_sink(), epoch_us, [this](Tap& tap) { tap.tell_spans(shared_.options.spans); });
  }
}

// On every shard; `done` at home when all have it.
void ManagementImpl::change_taps(std::function<void(Tap&)> change, Task done) {
  auto waiting = std::make_shared<std::size_t>(shared_.shards.size());
  auto finished = std::make_shared<Task>(std::move(done));
  const std::int64_t epoch_us = trace_epoch_us();
  for (Shard* shard : shared_.shards) {
    shard->runtime().executor.post([this, shard, epoch_us, change, waiting, finished] {
      shard->change_tap(tap_sink(), epoch_us, change);
      home_->post([waiting, finished] {
        if (--*waiting == 0) (*finished)();
      });
    });
  }
}

// By time, as far as nobody has read on: shards tell at the end of their turns.
void ManagementImpl::keep(Tap::Seen&& seen) {
  for (auto& [id, event] : seen.events) {
    const auto found = traces_.find(id);
    if (found == traces_.end()) continue;
    Trace& trace = found->second;
    const auto unread =
        trace.events.begin() + static_cast<std::ptrdiff_t>(std::max(trace.given, trace.first) - trace.first);
    const auto place =
        std::upper_bound(unread, trace.events.end(), event.at_us,
                         [](std::int64_t at_us, const TraceEvent& other) { return at_us < other.at_us; });
    trace.events.insert(place, std::move(event));
    if (trace.events.size() <= kTraceEvents) continue;
    trace.events.pop_front();
    ++trace.first;
    ++trace.missed;
  }
  // Nobody knows whose they would have been.
  for (auto& [id, trace] : traces_) trace.missed += seen.missed;
}

void ManagementImpl::start_trace(Subject subject, TraceFilter filter, Done<std::uint64_t> done) {
  home_->post(
      [this, subject = std::move(subject), filter = std::move(filter), done = std::move(done)]() mutable {
        if (auto ok = authorize_role(subject, ManagementRole::monitoring); ok.has_error())
          return done(ok.error());
        forget_traces();
        if (traces_.size() == kTraces) {
          return done(fail(Errc::resource_error, "there are " + std::to_string(kTraces) + " traces already"));
        }
        const std::uint64_t id = ++last_trace_;
        Trace& trace = traces_[id];
        trace.user = subject.user;
        trace.read_at = shared_.shards[0]->runtime().clock.steady();
        if (traces_.size() == 1) watch_traces();
        change_taps([id, filter = std::move(filter)](Tap& tap) { tap.watch(id, filter); },
                    [id, done = std::move(done)]() mutable { done(id); });
      });
}

result<ManagementImpl::Trace*> ManagementImpl::find_trace(const Subject& subject, std::uint64_t id) {
  const auto found = traces_.find(id);
  if (found == traces_.end()) return fail(Errc::not_found, "there is no such trace");
  if (found->second.user != subject.user) {
    if (auto ok = authorize_role(subject, ManagementRole::administrator); ok.has_error()) return ok.error();
  }
  return &found->second;
}

void ManagementImpl::read_trace(Subject subject, std::uint64_t id, std::uint64_t after,
                                Done<TraceRead> done) {
  home_->post([this, subject = std::move(subject), id, after, done = std::move(done)]() mutable {
    if (auto ok = authorize_role(subject, ManagementRole::monitoring); ok.has_error())
      return done(ok.error());
    const auto found = find_trace(subject, id);
    if (found.has_error()) return done(found.error());
    Trace& trace = **found;
    trace.read_at = shared_.shards[0]->runtime().clock.steady();
    TraceRead read;
    read.missed = trace.missed;
    // What is younger may still be preceded by what another shard has to tell.
    const auto settled = shared_.shards[0]->runtime().clock.steady() - kTraceSettles;
    const std::int64_t settled_us = trace_epoch_us() + settled.count() / 1000;
    std::uint64_t at = std::clamp(after, trace.first, trace.first + trace.events.size());
    for (; at < trace.first + trace.events.size(); ++at) {
      const TraceEvent& event = trace.events[at - trace.first];
      if (at >= trace.given && event.at_us > settled_us) break;
      read.events.push_back(event);
    }
    read.next = at;
    trace.given = std::max(trace.given, at);
    done(std::move(read));
  });
}

void ManagementImpl::end_trace(Subject subject, std::uint64_t id, Done<void> done) {
  home_->post([this, subject = std::move(subject), id, done = std::move(done)]() mutable {
    if (auto ok = authorize_role(subject, ManagementRole::monitoring); ok.has_error())
      return done(ok.error());
    if (const auto found = find_trace(subject, id); found.has_error()) return done(found.error());
    traces_.erase(id);
    change_taps([id](Tap& tap) { tap.unwatch(id); }, [done = std::move(done)]() mutable { done({}); });
  });
}

// Whoever asked for them has gone without a word.
void ManagementImpl::forget_traces() {
  const runtime::Nanoseconds now = shared_.shards[0]->runtime().clock.steady();
  for (auto it = traces_.begin(); it != traces_.end();) {
    if (now - it->second.read_at < kTraceIdle) {
      ++it;
      continue;
    }
    change_taps([id = it->first](Tap& tap) { tap.unwatch(id); }, [] {});
    it = traces_.erase(it);
  }
}

void ManagementImpl::watch_traces() {
  on_shard0([this] {
    shared_.shards[0]->runtime().timers.start(
        std::chrono::duration_cast<runtime::Milliseconds>(kTraceIdle) / 2, [this] {
          home_->post([this] {
            forget_traces();
            if (!traces_.empty()) watch_traces();
          });
        });
  });
}

void ManagementImpl::set_firehose(Subject subject, std::string vhost, bool on, Done<void> done) {
  home_->post(
      [this, subject = std::move(subject), vhost = std::move(vhost), on, done = std::move(done)]() mutable {
        if (auto ok = authorize_role(subject, ManagementRole::administrator); ok.has_error()) {
          return done(ok.error());
        }
        if (on == firehose_.contains(vhost)) return done({});
        if (on) firehose_.insert(vhost);
        if (!on) firehose_.erase(vhost);
        change_taps([vhost, on](Tap& tap) { tap.copy_all(vhost, on); },
                    [done = std::move(done)]() mutable { done({}); });
      });
}

}  // namespace millrace::broker
