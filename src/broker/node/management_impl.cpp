#include "broker/node/management_impl.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/access/authority.hpp"
#include "broker/definitions/describe_change.hpp"
#include "broker/node/coordinator.hpp"
#include "broker/node/management_visit.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {

ManagementImpl::ManagementImpl(NodeShared& shared, std::function<void(Task)> look_at_disk)
    : shared_(shared), look_at_disk_(std::move(look_at_disk)) {}
ManagementImpl::~ManagementImpl() = default;

void ManagementImpl::on_shard0(Task task) {
  shared_.shards[0]->runtime().executor.post(std::move(task));
}

template <class T>
Done<T> ManagementImpl::at_home(Done<T> done) {
  return [home = home_, done = std::move(done)](result<T> answer) mutable {
    home->post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
  };
}

void ManagementImpl::attach(runtime::Executor& home, ChangeListener listener) {
  home_ = &home;
  auto all = std::make_shared<const std::vector<Change>>(shared_.coordinator->definitions().snapshot());
  home.post([listener, all] { listener(all); });
  shared_.coordinator->listen([&home, listener = std::move(listener)](const Changes& changes) {
    home.post([listener, changes] { listener(changes); });
  });
}

void ManagementImpl::authenticate(Credentials credentials, ConnectionInfo info, Done<Subject> done) {
  on_shard0([this, credentials = std::move(credentials), info = std::move(info),
             done = at_home(std::move(done))]() mutable {
    shared_.shards[0]->authenticate(
        std::move(credentials), info, [this, done = std::move(done)](result<Subject> subject) mutable {
          const bool asks = subject.has_value() && authority_asked(subject->rights) != nullptr;
          if (!asks) return done(std::move(subject));
          enter_all(std::move(*subject), vhosts_to_ask_for(shared_.coordinator->definitions().vhosts()),
                    std::move(done));
        });
  });
}

void ManagementImpl::enter_all(Subject subject, std::vector<std::string> vhosts, Done<Subject> done) {
  if (vhosts.empty()) return done(std::move(subject));
  const std::string vhost = std::move(vhosts.back());
  vhosts.pop_back();
  shared_.shards[0]->enter(
      subject, vhost,
      [this, vhosts = std::move(vhosts), done = std::move(done)](result<Subject> entered) mutable {
        enter_all(std::move(*entered), std::move(vhosts), std::move(done));
      });
}

struct ManagementImpl::Changing {
  Subject subject;
  std::vector<Change> changes;
  std::size_t next = 0;
  Done<void> done;
};

void ManagementImpl::change(Subject subject, std::vector<Change> changes, Done<void> done) {
  auto changing = std::make_shared<Changing>(
      Changing{std::move(subject), std::move(changes), 0, at_home(std::move(done))});
  on_shard0([this, changing = std::move(changing)] {
    // All are judged before any is made, and each again when its turn comes: rights may have gone meanwhile.
    if (auto ok = may_change(*changing, 0, changing->changes.size()); ok.has_error()) {
      return changing->done(ok);
    }
    change_slice(changing);
  });
}

result<void> ManagementImpl::may_change(const Changing& changing, std::size_t begin, std::size_t end) const {
  for (std::size_t i = begin; i < end; ++i) {
    auto ok = authorize_change(changing.subject, changing.changes[i], shared_.shards[0]->replica().access());
    if (ok.has_value()) continue;
    if (shared_.options.audit) {
      const ChangeDescription wanted = describe(changing.changes[i]);
      shared_.options.audit({AuditEvent::Kind::access_refused, changing.subject.user, changing.subject.peer,
                             "HTTP", wanted.vhost, wanted.what + ": " + ok.error().text});
    }
    return ok;
  }
  return {};
}

void ManagementImpl::change_slice(const std::shared_ptr<Changing>& changing) {
  const std::size_t begin = changing->next;
  const std::size_t end = std::min(changing->changes.size(), begin + kChangesPerSlice);
  changing->next = end;
  if (auto ok = may_change(*changing, begin, end); ok.has_error()) return changing->done(ok);
  const auto at = [&](std::size_t i) { return changing->changes.begin() + static_cast<std::ptrdiff_t>(i); };
  std::vector<Change> slice(std::make_move_iterator(at(begin)), std::make_move_iterator(at(end)));
  const Coordinator::AskedBy asked(*shared_.coordinator, changing->subject);
  shared_.coordinator->import(std::move(slice), [this, changing](result<void> outcome) {
    if (outcome.has_error() || changing->next == changing->changes.size()) return changing->done(outcome);
    on_shard0([this, changing] { change_slice(changing); });
  });
}

void ManagementImpl::set_bounds(Subject subject, Bounds bounds, Done<void> done) {
  on_shard0([this, subject = std::move(subject), bounds, done = at_home(std::move(done))]() mutable {
    if (auto ok = authorize_role(subject, ManagementRole::administrator); ok.has_error()) return done(ok);
    const auto set = [&](std::string_view name, const std::optional<std::uint64_t>& given,
                         std::atomic<std::uint64_t>& bound) {
      if (!given) return;
      bound = *given;
      shared_.options.log(LogLevel::info, std::string(name) + " is " + std::to_string(*given) +
                                              " bytes until the next start, by '" + subject.user + "'");
    };
    set("memory-limit", bounds.memory_limit_bytes, shared_.memory_limit_bytes);
    set("disk-low-water", bounds.disk_low_water_bytes, shared_.disk_low_water_bytes);
    look_at_disk_([done = std::move(done)]() mutable { done({}); });
  });
}

void ManagementImpl::reset(Subject subject, Done<void> done) {
  on_shard0([this, subject = std::move(subject), done = at_home(std::move(done))]() mutable {
    if (auto ok = authorize_role(subject, ManagementRole::administrator); ok.has_error()) return done(ok);
    shared_.options.log(LogLevel::warning, "everything is deleted, by '" + subject.user + "'");
    const Coordinator::AskedBy asked(*shared_.coordinator, subject);
    shared_.coordinator->import(shared_.coordinator->changes_to_reset(), std::move(done));
  });
}

// Statistics: put together where they are asked for, so that shards do no more than look at what is theirs.

void ManagementImpl::statistics(Age age, Done<std::shared_ptr<const NodeStatistics>> done) {
  home_->post([this, age, done = std::move(done)]() mutable {
    const runtime::Nanoseconds now = shared_.shards[0]->runtime().clock.steady();
    if (age == Age::recent && last_ && now - last_->taken < kStatisticsInterval) return done(last_);
    // Shards may have been asked already.
    if (age == Age::none && making_) return next_askers_.push_back(std::move(done));
    askers_.push_back(std::move(done));
    if (!making_) survey_shards(now);
  });
}

void ManagementImpl::survey_shards(runtime::Nanoseconds now) {
  making_ = std::make_shared<NodeStatistics>();
  making_->taken = now;
  making_->taken_ms = shared_.shards[0]->runtime().clock.wall().count();
  making_->busy_permille.resize(shared_.shards.size());
  waiting_ = shared_.shards.size();
  for (std::size_t i = 0; i < shared_.shards.size(); ++i) {
    Shard& shard = *shared_.shards[i];
    shard.runtime().executor.post([this, &shard, i] {
      survey(shard, [this, i](ShardStatistics&& found) {
        auto shared_found = std::make_shared<ShardStatistics>(std::move(found));
        if (i == 0) add_coordinator(*shared_found);
        home_->post([this, i, shared_found] {
          making_->busy_permille[i] = shared_found->busy_permille;
          add(std::move(*shared_found));
        });
      });
    });
  }
}

// On shard 0, which is the coordinator's.
void ManagementImpl::add_coordinator(ShardStatistics& found) const {
  found.queues_declared = shared_.coordinator->queues_declared();
  found.queues_created = shared_.coordinator->queues_created();
  found.queues_deleted = shared_.coordinator->queues_deleted();
  found.disk_alarm = disk_alarm_;
}

void ManagementImpl::add(ShardStatistics&& found) {
  NodeStatistics& all = *making_;
  const ShardCounters& counters = found.counters;
  all.queue_totals += counters.queues_gone;
  all.waited += counters.waited_gone;
  all.held += counters.held_gone;
  for (auto& [id, queue] : found.queues) {
    all.queue_totals += queue.counters;
    if (queue.times.waited) queue.times.waited->add_to(all.waited);
    if (queue.times.held) queue.times.held->add_to(all.held);
    all.queues.emplace(id, std::move(queue));
  }
  all.connection_totals += counters.connections_gone;
  all.sizes += counters.sizes;
  for (ConnectionStatistics& connection : found.connections) {
    all.connection_totals += connection.counters;
    all.connections.push_back(std::move(connection));
  }
  for (ExchangeStatistics& exchange : found.exchanges) {
    ExchangeCounters& sum = all.exchanges[{std::move(exchange.vhost), std::move(exchange.name)}];
    sum.in += exchange.counters.in;
    sum.out += exchange.counters.out;
  }
  for (const auto& [protocol, logins] : counters.logins) {
    all.logins[protocol].accepted += logins.accepted;
    all.logins[protocol].refused += logins.refused;
  }
  all.consumers.insert(all.consumers.end(), std::make_move_iterator(found.consumers.begin()),
                       std::make_move_iterator(found.consumers.end()));
  all.connections_opened += counters.connections_opened;
  all.connections_closed += counters.connections_closed;
  all.channels_opened += counters.channels_opened;
  all.channels_closed += counters.channels_closed;
  all.queues_declared += found.queues_declared;
  all.queues_created += found.queues_created;
  all.queues_deleted += found.queues_deleted;
  longest_look_.add(found.longest_look);
  all.disk_alarm = all.disk_alarm || found.disk_alarm;
  if (--waiting_ == 0) finish_survey();
}

void ManagementImpl::finish_survey() {
  making_->message_memory_bytes = shared_.memory_bytes.load(std::memory_order_relaxed);
  making_->longest_look = longest_look_;
  making_->memory_limit_bytes = shared_.memory_limit_bytes.load(std::memory_order_relaxed);
  making_->disk_low_water_bytes = shared_.disk_low_water_bytes.load(std::memory_order_relaxed);
  making_->memory_alarm = shared_.memory_alarm.load(std::memory_order_relaxed);
  last_ = std::move(making_);
  making_ = nullptr;
  std::vector<Done<std::shared_ptr<const NodeStatistics>>> askers = std::move(askers_);
  askers_.clear();
  const std::shared_ptr<const NodeStatistics> found = last_;
  if (!next_askers_.empty()) {
    askers_ = std::exchange(next_askers_, {});
    survey_shards(shared_.shards[0]->runtime().clock.steady());
  }
  for (auto& done : askers) done(found);
}

// Connections.

void ManagementImpl::use(Subject subject, std::string vhost, ConnectionInfo info, Work work,
                         Done<void> done) {
  visit(
      std::move(subject), std::move(vhost), std::move(info),
      [work = std::move(work)](Visit& visit, Done<void> finished) mutable {
        work(*visit.connection, std::move(finished));
      },
      std::move(done));
}

void ManagementImpl::visit(Subject subject, std::string vhost, ConnectionInfo info,
                           UniqueFunction<void(Visit&, Done<void>)> work, Done<void> done) {
  info.is_management = true;
  on_shard0([this, subject = std::move(subject), vhost = std::move(vhost), info = std::move(info),
             work = std::move(work), done = at_home(std::move(done))]() mutable {
    const std::uint64_t id = ++last_visit_;
    auto made = std::make_unique<Visit>(*this, id);
    auto opened = shared_.shards[0]->open(subject, vhost, info, *made);
    if (opened.has_error()) return done(opened.error());
    made->connection = std::move(*opened);
    made->done = std::move(done);
    Visit& visit = *made;
    visits_.emplace(id, std::move(made));
    work(visit, [this, id](result<void> outcome) { end_visit(id, std::move(outcome)); });
  });
}

// Later: whoever ends it may be in the middle of looking through all connections.
void ManagementImpl::end_visit(std::uint64_t id, result<void> outcome) {
  const auto found = visits_.find(id);
  if (found == visits_.end() || std::exchange(found->second->ending, true)) return;
  on_shard0([this, id, outcome = std::move(outcome)]() mutable {
    Visit& visit = *visits_.find(id)->second;
    visit.connection->close([this, id, outcome = std::move(outcome)](result<void>) mutable {
      on_shard0([this, id, outcome = std::move(outcome)]() mutable {
        const auto it = visits_.find(id);
        const std::unique_ptr<Visit> gone = std::move(it->second);
        visits_.erase(it);
        gone->done(std::move(outcome));
      });
    });
  });
}

void ManagementImpl::close_connection(Subject subject, ConnectionId connection, std::string reason,
                                      Done<void> done) {
  on_shard0([this, subject = std::move(subject), connection, reason = std::move(reason),
             done = at_home(std::move(done))]() mutable {
    struct Asking {
      std::size_t waiting;
      result<void> outcome = fail(Errc::not_found, "no such connection");
      Done<void> done;
    };
    auto asking = std::make_shared<Asking>();
    asking->waiting = shared_.shards.size();
    asking->done = std::move(done);
    for (std::size_t i = 0; i < shared_.shards.size(); ++i) {
      shared_.shards[0]->call(
          ShardId(static_cast<std::uint16_t>(i)), [this, i, subject, connection, reason, asking] {
            Shard& shard = *shared_.shards[i];
            std::optional<result<void>> outcome;
            ConnectionImpl* found = shard.find_connection(connection);
            if (found && !found->info().is_management) {
              const bool own = found->subject().user == subject.user;
              outcome = own ? result<void>() : authorize_role(subject, ManagementRole::administrator);
              if (outcome->has_value()) {
                found->listener().on_close_requested(fail(Errc::shutting_down, reason));
                shard.touch(*found);
              }
            }
            shard.call(ShardId(0), [asking, outcome = std::move(outcome)] {
              if (outcome) asking->outcome = *outcome;
              if (--asking->waiting == 0) asking->done(std::move(asking->outcome));
            });
          });
    }
  });
}

// Messages.

struct ManagementImpl::Taking {
  std::string queue;
  std::size_t count;
  std::uint64_t bytes_left;
  std::uint64_t body_bytes_shown;
  Settlement how;
  std::vector<Taken> taken;
  Done<void> finished;
};

// One after the other, a turn each, so that many messages do not hold the shard.
void ManagementImpl::take_next(std::uint64_t visit_id, const std::shared_ptr<Taking>& taking) {
  const auto found = visits_.find(visit_id);
  if (found == visits_.end() || found->second->ending) return;
  Connection& connection = *found->second->connection;
  connection.get(
      taking->queue, false, [this, visit_id, taking, &connection](result<std::optional<GotMessage>> got) {
        if (got.has_error()) return taking->finished(got.error());
        const auto settle = [&](const GotMessage& message, Settlement how) {
          const std::uint64_t seqs[] = {message.delivery.seq};
          connection.settle(message.queue, ConsumerId(), seqs, how);
        };
        if (*got) {
          const std::uint64_t bytes =
              std::min<std::uint64_t>((*got)->delivery.message->body().size(), taking->body_bytes_shown);
          if (bytes > taking->bytes_left) {
            settle(**got, Settlement::requeue);
            if (!taking->taken.empty()) return give_back(connection, *taking);
            return taking->finished(fail(Errc::content_too_large,
                                         "the message's body is too large to be shown: ask for less of it "
                                         "by 'truncate'"));
          }
          taking->bytes_left -= bytes;
          const MessageFormat& format = shared_.options.formats.of(*(*got)->delivery.message);
          taking->taken.push_back(
              {format.delivered((*got)->delivery), (*got)->delivery, (*got)->queue, (*got)->messages_left});
        }
        if (!*got || taking->taken.size() >= taking->count) return give_back(connection, *taking);
        on_shard0([this, visit_id, taking] { take_next(visit_id, taking); });
      });
}

void ManagementImpl::give_back(Connection& connection, Taking& taking) {
  for (const Taken& taken : taking.taken) {
    const std::uint64_t seqs[] = {taken.delivery.seq};
    connection.settle(taken.queue, ConsumerId(), seqs, taking.how);
  }
  taking.finished({});
}

void ManagementImpl::take(Subject subject, std::string vhost, ConnectionInfo info, TakeRequest request,
                          Done<std::vector<Taken>> done) {
  auto taking = std::make_shared<Taking>(Taking{std::move(request.queue),
                                                request.count,
                                                request.bytes_max,
                                                request.body_bytes_shown,
                                                request.how,
                                                {},
                                                {}});
  visit(
      std::move(subject), std::move(vhost), std::move(info),
      [this, taking](Visit& visit, Done<void> finished) {
        taking->finished = std::move(finished);
        if (taking->count == 0) return taking->finished({});
        take_next(visit.id, taking);
      },
      [taking, done = std::move(done)](result<void> outcome) mutable {
        if (outcome.has_error()) return done(outcome.error());
        done(std::move(taking->taken));
      });
}

}  // namespace millrace::broker
