#include "broker/node/coordinator.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "broker/access/authority.hpp"
#include "broker/access/password.hpp"
#include "broker/definitions/check_change.hpp"
#include "broker/definitions/describe_change.hpp"
#include "broker/exchange/exchange.hpp"
#include "broker/node/events.hpp"
#include "broker/node/shard.hpp"
#include "broker/queue/arguments.hpp"

namespace millrace::broker {
namespace {

bool is_reserved(std::string_view name) {
  return name.starts_with("amq.");
}

Error no_exchange(std::string_view vhost, std::string_view name) {
  return fail(Errc::not_found, "no " + exchange_text(vhost, name));
}

Error no_queue(std::string_view vhost, std::string_view name) {
  return fail(Errc::not_found, "no " + queue_text(vhost, name));
}

Error no_vhost(std::string_view vhost) {
  return fail(Errc::not_allowed, "vhost '" + std::string(vhost) + "' is deleted");
}

}  // namespace

Error locked_queue(std::string_view vhost, std::string_view name) {
  return fail(Errc::resource_locked,
              "cannot obtain exclusive access to locked " + queue_text(vhost, name) +
                  ". It could be originally declared on another connection or the exclusive property value "
                  "does not match that of the original declaration.");
}

Coordinator::Coordinator(NodeShared& shared, Definitions definitions)
    : shared_(shared), definitions_(std::move(definitions)), next_queue_id_(definitions_.next_queue_id()) {
  queues_of_shard_.resize(shared.shards.size());
  for (const auto& [name, vhost] : definitions_.vhosts()) {
    for (const auto& [queue_name, queue] : vhost.queues) ++queues_of_shard_[queue->address.shard.value];
  }
}

// Below it are the ids of a directory whose first definitions are not all there.
constexpr std::uint64_t kFirstQueueId = 2;

std::vector<Change> Coordinator::first_definitions() const {
  std::vector<Change> changes = first_objects();
  changes.push_back(NextQueueId{kFirstQueueId});  // the last, so that is_fresh() knows that all are there
  return changes;
}

std::vector<Change> Coordinator::first_objects() const {
  std::vector<Change> changes;
  changes.push_back(PutVhost{VhostSpec{"/", "The default virtual host", {}, {}}});
  for (ExchangeSpec& exchange : predeclared_exchanges("/"))
    changes.push_back(PutExchange{std::move(exchange)});
  std::array<std::uint8_t, 4> salt{};
  shared_.options.random(salt);
  // Everybody knows this password: nothing is lost by a form that RabbitMQ can read in an export.
  changes.push_back(PutUser{UserSpec{"guest", hash_for_rabbitmq("guest", salt), {"administrator"}}});
  changes.push_back(PutPermission{PermissionSpec{"guest", "/", ".*", ".*", ".*"}});
  return changes;
}

bool Coordinator::is_fresh() const {
  if (definitions_.next_queue_id() >= kFirstQueueId || !definitions_.permissions().empty()) return false;
  return std::all_of(definitions_.users().begin(), definitions_.users().end(),
                     [](const auto& user) { return user.first == "guest"; });
}

std::vector<Change> Coordinator::changes_to_reset() const {
  std::vector<Change> changes;
  for (const auto& [name, vhost] : definitions_.vhosts()) {
    if (vhost.is_protected) changes.push_back(ProtectVhost{name, false});
    changes.push_back(DeleteVhost{name});
  }
  for (const auto& [name, user] : definitions_.users()) changes.push_back(DeleteUser{name});
  for (const ParameterSpec& parameter : definitions_.parameters()) {
    const bool is_global = parameter.vhost.empty();  // others go with their vhosts
    if (is_global) changes.push_back(DeleteParameter{"", parameter.component, parameter.name});
  }
  std::vector<Change> first = first_objects();  // ids go on from where they are
  std::move(first.begin(), first.end(), std::back_inserter(changes));
  return changes;
}

void Coordinator::bring_up_to_date() {
  auto changes = std::make_shared<const std::vector<Change>>(definitions_.snapshot());
  for (Shard* shard : shared_.shards) {
    for (const Change& change : *changes) shard->replica().apply(change);
  }
}

// Commits.

void Coordinator::commit(std::vector<Change> changes, Task done) {
  Shard& shard = *shared_.shards[0];
  Commit commit;
  for (const Change& change : changes) {
    // Asked before it is applied: a deletion's object is gone afterwards.
    const bool durable = definitions_.is_durable(change);
    definitions_.apply(change);
    if (durable) commit.lsn = shard.log_change(change);
    if (durable && shared_.options.audit) note(change, commit.audited);
  }
  commit.changes = std::make_shared<const std::vector<Change>>(std::move(changes));
  commit.done = std::move(done);
  commits_.push_back(std::move(commit));
  advance();
}

// Without an asker it is the broker itself: a queue that nobody uses any more.
void Coordinator::note(const Change& change, std::vector<AuditEvent>& audited) const {
  ChangeDescription description = describe(change);
  if (description.what.empty()) return;
  AuditEvent event;
  event.kind = AuditEvent::Kind::definition_changed;
  if (asker_ != nullptr) {
    event.user = asker_->user;
    event.peer = asker_->peer;
  }
  event.vhost = std::move(description.vhost);
  event.what = std::move(description.what);
  audited.push_back(std::move(event));
}

void Coordinator::on_durable(storage::Lsn) {
  advance();
}

void Coordinator::advance() {
  if (advancing_) return;  // a completion asked for more: the loop below sees to it
  advancing_ = true;
  for (;;) {
    send_durable();
    if (sent_ == 0 || commits_.front().waiting_for > 0) break;
    Task done = std::move(commits_.front().done);
    for (const AuditEvent& event : commits_.front().audited) shared_.options.audit(event);
    commits_.pop_front();
    --sent_;
    ++first_commit_;
    done();
  }
  advancing_ = false;
}

void Coordinator::send_durable() {
  Shard& own = *shared_.shards[0];
  for (; sent_ < commits_.size() && commits_[sent_].lsn <= own.durable(); ++sent_) {
    Commit& commit = commits_[sent_];
    if (commit.changes->empty()) continue;
    const std::uint64_t number = first_commit_ + sent_;
    for (std::size_t s = 1; s < shared_.shards.size(); ++s) {
      ++commit.waiting_for;
      own.call(ShardId(static_cast<std::uint16_t>(s)), [this, s, changes = commit.changes, number] {
        Shard& shard = *shared_.shards[s];
        for (const Change& change : *changes) shard.replica().apply(change);
        shard.call(ShardId(0), [this, number] { applied(number); });
      });
    }
    const auto changes = commit.changes;
    if (listener_) listener_(changes);
    for (const Change& change : *changes) own.replica().apply(change);
    for (const Change& change : *changes) announce(own, change);
  }
}

void Coordinator::applied(std::size_t number) {
  MILLRACE_ASSERT(number >= first_commit_ && number - first_commit_ < commits_.size(),
                  "a commit is kept until all shards have applied it");
  --commits_[number - first_commit_].waiting_for;
  if (number == first_commit_) advance();
}

// Queues.

ShardId Coordinator::place(ShardId near) const {
  // The least loaded; the asking connection's own among equals.
  std::size_t best = near.value;
  for (std::size_t i = 0; i < queues_of_shard_.size(); ++i) {
    if (queues_of_shard_[i] < queues_of_shard_[best]) best = i;
  }
  return ShardId(static_cast<std::uint16_t>(best));
}

void Coordinator::declare_queue(QueueSpec asked, bool server_named, ShardId near, Done<DeclaredQueue> done) {
  const VhostDefinitions* vhost = definitions_.find_vhost(asked.vhost);
  if (!vhost) return done(no_vhost(asked.vhost));
  if (auto checked = check_queue_arguments(asked, vhost->spec.default_queue_type); checked.has_error()) {
    return done(checked.error());
  }
  ++queues_declared_;
  if (const auto it = vhost->queues.find(asked.name); it != vhost->queues.end()) {
    const QueueSpec& existing = *it->second;
    if (existing.exclusive_owner != asked.exclusive_owner) {
      return done(locked_queue(asked.vhost, asked.name));
    }
    if (auto same = check_queue_equivalent(existing, asked); same.has_error()) return done(same.error());
    // Its declaration may still be under way.
    DeclaredQueue found{existing, false};
    return commit({},
                  [found = std::move(found), done = std::move(done)]() mutable { done(std::move(found)); });
  }
  if (!server_named && is_reserved(asked.name)) {
    return done(
        fail(Errc::access_refused, "queue name '" + asked.name + "' contains reserved prefix 'amq.*'"));
  }
  const std::int64_t limit = shared_.shards[0]->replica().access().limit_of(false, asked.vhost, "max-queues");
  if (limit >= 0 && vhost->queues.size() >= static_cast<std::size_t>(limit)) {
    return done(fail(Errc::precondition_failed, "cannot declare " + queue_text(asked.vhost, asked.name) +
                                                    ": queue limit in vhost '" + asked.vhost + "' (" +
                                                    std::to_string(limit) + ") is reached"));
  }
  if (asker_ != nullptr) asked.declared_by = asker_->user;
  asked.address.id = QueueId(next_queue_id_++);
  asked.address.shard = asked.exclusive_owner.value != 0 || server_named ? near : place(near);
  ++queues_of_shard_[asked.address.shard.value];
  ++queues_created_;
  DeclaredQueue made{asked, true};
  std::vector<Change> changes;
  changes.push_back(PutQueue{std::move(asked)});
  commit(std::move(changes),
         [made = std::move(made), done = std::move(done)]() mutable { done(std::move(made)); });
}

void Coordinator::find_queue(std::string_view vhost_name, std::string_view name,
                             Done<std::optional<QueueSpec>> done) {
  std::optional<QueueSpec> found;
  if (const VhostDefinitions* vhost = definitions_.find_vhost(vhost_name)) {
    if (const auto it = vhost->queues.find(name); it != vhost->queues.end()) found = *it->second;
  }
  commit({}, [found = std::move(found), done = std::move(done)]() mutable { done(std::move(found)); });
}

void Coordinator::find_exclusive_queues(std::string_view vhost_name, ConnectionId owner,
                                        Done<std::vector<QueueSpec>> done) {
  std::vector<QueueSpec> found;
  if (const VhostDefinitions* vhost = definitions_.find_vhost(vhost_name)) {
    if (const auto owned = vhost->exclusive.find(owner.value); owned != vhost->exclusive.end()) {
      for (const std::string& name : owned->second) found.push_back(*vhost->queues.find(name)->second);
    }
  }
  commit({}, [found = std::move(found), done = std::move(done)]() mutable { done(std::move(found)); });
}

void Coordinator::add_unused_exchanges(const VhostDefinitions& vhost, std::vector<BindingSpec> going,
                                       std::vector<Change>& changes) const {
  for (std::size_t i = 0; i < going.size(); ++i) {
    const auto it = vhost.exchanges.find(going[i].source);
    if (it == vhost.exchanges.end() || !it->second.auto_delete) continue;
    const std::vector<BindingSpec> from = vhost.bindings_from(it->first);
    const bool some_stay = std::any_of(from.begin(), from.end(), [&](const BindingSpec& binding) {
      return std::find(going.begin(), going.end(), binding) == going.end();
    });
    if (some_stay) continue;
    const Change deletion = DeleteExchange{going[i].vhost, it->first};
    const bool named = std::any_of(changes.begin(), changes.end(), [&](const Change& change) {
      const auto* other = std::get_if<DeleteExchange>(&change);
      return other && other->name == it->first;
    });
    if (named) continue;
    changes.push_back(deletion);
    for (BindingSpec& to : vhost.bindings_to(it->first, true)) going.push_back(std::move(to));
  }
}

void Coordinator::add_queue_deletion(const VhostDefinitions& vhost, const QueueSpec& queue,
                                     std::vector<Change>& changes) {
  changes.push_back(DeleteQueue{queue.vhost, queue.name, queue.address});
  add_unused_exchanges(vhost, vhost.bindings_to(queue.name, false), changes);
  --queues_of_shard_[queue.address.shard.value];
  ++queues_deleted_;
}

void Coordinator::delete_queue(std::string_view vhost_name, std::string_view name, QueueAddress address,
                               Done<void> done) {
  const VhostDefinitions* vhost = definitions_.find_vhost(vhost_name);
  std::vector<Change> changes;
  if (vhost) {
    const auto it = vhost->queues.find(name);
    if (it != vhost->queues.end() && it->second->address == address) {
      add_queue_deletion(*vhost, *it->second, changes);
    }
  }
  commit(std::move(changes), [done = std::move(done)]() mutable { done({}); });
}

// Exchanges.

void Coordinator::assign(ExchangeSpec& exchange, ShardId near) {
  exchange.owner = near;
  exchange.store = QueueId(next_queue_id_++);
}

void Coordinator::declare_exchange(ExchangeSpec asked, ShardId near, Done<void> done) {
  const VhostDefinitions* vhost = definitions_.find_vhost(asked.vhost);
  if (!vhost) return done(no_vhost(asked.vhost));
  if (auto known = check_exchange_type(asked); known.has_error()) return done(known);
  if (const auto it = vhost->exchanges.find(asked.name); it != vhost->exchanges.end()) {
    if (auto same = check_exchange_equivalent(it->second, asked); same.has_error()) return done(same);
    return commit({}, [done = std::move(done)]() mutable { done({}); });
  }
  if (is_reserved(asked.name)) {
    return done(
        fail(Errc::access_refused, "exchange name '" + asked.name + "' contains reserved prefix 'amq.*'"));
  }
  if (exchange_remembers(asked)) assign(asked, place(near));
  std::vector<Change> changes;
  changes.push_back(PutExchange{std::move(asked)});
  commit(std::move(changes), [done = std::move(done)]() mutable { done({}); });
}

void Coordinator::delete_exchange(std::string_view vhost_name, std::string_view name, bool if_unused,
                                  Done<void> done) {
  const VhostDefinitions* vhost = definitions_.find_vhost(vhost_name);
  std::vector<Change> changes;
  if (vhost && vhost->exchanges.contains(name)) {
    if (if_unused && vhost->has_bindings_from(name)) {
      return done(fail(Errc::precondition_failed, exchange_text(vhost_name, name) + " in use"));
    }
    changes.push_back(DeleteExchange{std::string(vhost_name), std::string(name)});
    add_unused_exchanges(*vhost, vhost->bindings_to(name, true), changes);
  }
  commit(std::move(changes), [done = std::move(done)]() mutable { done({}); });
}

// Bindings.

void Coordinator::bind(BindingSpec binding, const Subject& subject, ConnectionId asker, Done<void> done) {
  const VhostDefinitions* vhost = definitions_.find_vhost(binding.vhost);
  if (!vhost) return done(no_vhost(binding.vhost));
  const auto source = vhost->exchanges.find(binding.source);
  if (source == vhost->exchanges.end()) return done(no_exchange(binding.vhost, binding.source));
  if (binding.to_exchange && !vhost->exchanges.contains(binding.destination)) {
    return done(no_exchange(binding.vhost, binding.destination));
  }
  if (!binding.to_exchange && !vhost->queues.contains(binding.destination)) {
    return done(no_queue(binding.vhost, binding.destination));
  }
  if (!binding.to_exchange) {
    const ConnectionId owner = vhost->queues.find(binding.destination)->second->exclusive_owner;
    if (owner.value != 0 && owner != asker) return done(locked_queue(binding.vhost, binding.destination));
  }
  // Whose rights are asked for has been judged where they are known.
  const bool is_judged = authority_asked(subject.rights) != nullptr;
  if (source->second.type == "topic" && !is_judged) {
    if (auto ok = shared_.shards[0]->replica().access().authorize_topic(
            subject, binding.vhost, binding.source, binding.routing_key, Permission::read);
        ok.has_error()) {
      return done(ok);
    }
  }
  if (auto ok = make_exchange(source->second)->check_binding(binding); ok.has_error()) return done(ok);
  std::vector<Change> changes;
  if (!vhost->has_binding(binding)) changes.push_back(PutBinding{std::move(binding)});
  commit(std::move(changes), [done = std::move(done)]() mutable { done({}); });
}

void Coordinator::unbind(BindingSpec binding, Done<void> done) {
  const VhostDefinitions* vhost = definitions_.find_vhost(binding.vhost);
  std::vector<Change> changes;
  if (vhost && vhost->has_binding(binding)) {
    changes.push_back(DeleteBinding{binding});
    add_unused_exchanges(*vhost, {std::move(binding)}, changes);
  }
  commit(std::move(changes), [done = std::move(done)]() mutable { done({}); });
}

result<void> Coordinator::check_ends(const BindingSpec& binding) const {
  const VhostDefinitions& vhost = *definitions_.find_vhost(binding.vhost);
  const auto source = vhost.exchanges.find(binding.source);
  if (source == vhost.exchanges.end()) return no_exchange(binding.vhost, binding.source);
  if (binding.to_exchange && !vhost.exchanges.contains(binding.destination)) {
    return no_exchange(binding.vhost, binding.destination);
  }
  if (!binding.to_exchange && !vhost.queues.contains(binding.destination)) {
    return no_queue(binding.vhost, binding.destination);
  }
  return make_exchange(source->second)->check_binding(binding);
}

result<void> Coordinator::check_referents(const Change& change) const {
  const auto user = [this](const std::string& name) -> result<void> {
    if (definitions_.users().contains(name)) return {};
    return fail(Errc::not_found, "no user '" + name + "'");
  };
  const auto vhost = [this](const std::string& name) -> result<void> {
    if (definitions_.find_vhost(name) != nullptr) return {};
    return fail(Errc::not_found, "no vhost '" + name + "'");
  };
  const auto both = [&](const std::string& user_name, const std::string& vhost_name) -> result<void> {
    if (auto there = user(user_name); there.has_error()) return there;
    return vhost(vhost_name);
  };
  if (const auto* c = std::get_if<PutPermission>(&change))
    return both(c->permission.user, c->permission.vhost);
  if (const auto* c = std::get_if<PutTopicPermission>(&change)) {
    return both(c->permission.user, c->permission.vhost);
  }
  if (const auto* c = std::get_if<PutBinding>(&change)) return check_ends(c->binding);
  if (const auto* c = std::get_if<PutPolicy>(&change)) return vhost(c->policy.vhost);
  if (const auto* c = std::get_if<PutParameter>(&change)) {
    return c->parameter.vhost.empty() ? result<void>() : vhost(c->parameter.vhost);
  }
  if (const auto* c = std::get_if<ProtectVhost>(&change)) return vhost(c->name);
  if (const auto* c = std::get_if<DeleteVhost>(&change)) {
    if (auto there = vhost(c->name); there.has_error()) return there;
    if (!definitions_.find_vhost(c->name)->is_protected) return {};
    return fail(Errc::precondition_failed,
                "Refusing to delete virtual host '" + c->name + "' because it is protected from deletion");
  }
  if (const auto* c = std::get_if<PutLimit>(&change)) {
    return c->limit.of_user ? user(c->limit.subject) : vhost(c->limit.subject);
  }
  return {};
}

void Coordinator::import(std::vector<Change> changes, Done<void> done) {
  // What was made before a refusal is there when that is answered.
  const auto refuse = [&](Error why) {
    commit({}, [why = std::move(why), done = std::move(done)]() mutable { done(std::move(why)); });
  };
  // One at a time, so that each sees what the ones before it made.
  for (Change& change : changes) {
    if (auto ok = check_change(change); ok.has_error()) return refuse(ok.error());
    std::vector<Change> own;
    if (auto* put = std::get_if<PutVhost>(&change)) {
      const bool fresh = definitions_.find_vhost(put->vhost.name) == nullptr;
      const std::string name = put->vhost.name;
      own.push_back(std::move(change));
      if (fresh) {
        for (ExchangeSpec& exchange : predeclared_exchanges(name))
          own.push_back(PutExchange{std::move(exchange)});
      }
    } else if (auto* queue = std::get_if<PutQueue>(&change)) {
      const VhostDefinitions* in = definitions_.find_vhost(queue->queue->vhost);
      if (in && in->queues.contains(queue->queue->name)) continue;
      // A refusal comes at once; only success waits.
      auto refused = std::make_shared<std::optional<Error>>();
      declare_queue(QueueSpec(*queue->queue), true, place(ShardId(0)),
                    [refused](result<DeclaredQueue> declared) {
                      if (declared.has_error()) *refused = declared.error();
                    });
      if (*refused) return refuse(**refused);
      continue;
    } else if (auto* exchange = std::get_if<PutExchange>(&change)) {
      const VhostDefinitions* vhost = definitions_.find_vhost(exchange->exchange.vhost);
      if (!vhost) return refuse(no_vhost(exchange->exchange.vhost));
      if (auto known = check_exchange_type(exchange->exchange); known.has_error())
        return refuse(known.error());
      if (vhost->exchanges.contains(exchange->exchange.name)) continue;
      if (exchange_remembers(exchange->exchange)) assign(exchange->exchange, place(ShardId(0)));
      own.push_back(std::move(change));
    } else if (auto* binding = std::get_if<PutBinding>(&change)) {
      const VhostDefinitions* vhost = definitions_.find_vhost(binding->binding.vhost);
      if (!vhost) return refuse(no_vhost(binding->binding.vhost));
      if (vhost->has_binding(binding->binding)) continue;
      if (auto ok = check_referents(change); ok.has_error()) return refuse(ok.error());
      own.push_back(std::move(change));
    } else {
      if (auto ok = check_referents(change); ok.has_error()) return refuse(ok.error());
      if (const auto* gone = std::get_if<DeleteVhost>(&change)) {
        for (const auto& [name, queue_there] : definitions_.find_vhost(gone->name)->queues) {
          --queues_of_shard_[queue_there->address.shard.value];
          ++queues_deleted_;
        }
      }
      own.push_back(std::move(change));
    }
    commit(std::move(own), [] {});
  }
  commit({}, [done = std::move(done)]() mutable { done({}); });
}

}  // namespace millrace::broker
