// Declaring, binding and deleting: rights and names are judged here, on the connection's shard; the rest is
// the coordinator's.
#include <algorithm>

#include "broker/definitions/check_change.hpp"
#include "broker/node/connection_impl.hpp"
#include "broker/node/connection_waits.hpp"
#include "broker/node/coordinator.hpp"
#include "broker/node/shard.hpp"
#include "broker/queue/arguments.hpp"

namespace millrace::broker {
namespace {

constexpr std::string_view kReplyPrefix = "amq.rabbitmq.reply-to";

result<void> not_the_default(std::string_view exchange) {
  if (!exchange.empty() && exchange != "amq.default") return {};
  return fail(Errc::access_refused, "operation not permitted on the default exchange");
}

}  // namespace

result<VhostReplica*> ConnectionImpl::find_vhost() {
  VhostReplica* vhost = shard_->replica().find_vhost(vhost_);
  if (!vhost) return fail(Errc::not_allowed, "vhost '" + vhost_ + "' is deleted");
  return vhost;
}

result<const QueueSpec*> ConnectionImpl::find_queue(std::string_view name) {
  const auto vhost = find_vhost();
  if (vhost.has_error()) return vhost.error();
  const QueueSpec* queue = shard_->replica().find_queue(**vhost, name);
  if (!queue) return fail(Errc::not_found, "no " + queue_text(vhost_, name));
  return queue;
}

result<void> ConnectionImpl::find_exchange(std::string_view name) {
  const auto vhost = find_vhost();
  if (vhost.has_error()) return vhost.error();
  if (!(*vhost)->table->find_exchange(name)) {
    return fail(Errc::not_found, "no " + exchange_text(vhost_, name));
  }
  return {};
}

result<void> ConnectionImpl::check_unlocked(const QueueSpec& queue) const {
  if (queue.exclusive_owner.value == 0 || queue.exclusive_owner == id_) return {};
  return locked_queue(queue.vhost, queue.name);
}

// Exchanges.

void ConnectionImpl::declare_exchange(const ExchangeDeclare& declare, Done<void> done) {
  done = in_order(std::move(done));
  AccessControl& access = shard_->replica().access();
  if (auto ok = not_the_default(declare.name); ok.has_error()) return done(ok);
  if (auto ok = check_name_length("exchange", declare.name); ok.has_error()) return done(ok);
  if (auto ok =
          access.authorize(subject_, vhost_, ResourceKind::exchange, declare.name, Permission::configure);
      ok.has_error()) {
    return done(ok);
  }
  if (const Value* alternate = declare.arguments.find("alternate-exchange");
      alternate && alternate->as_text()) {
    if (auto ok = access.authorize(subject_, vhost_, ResourceKind::exchange, declare.name, Permission::read);
        ok.has_error()) {
      return done(ok);
    }
    if (auto ok = access.authorize(subject_, vhost_, ResourceKind::exchange, *alternate->as_text(),
                                   Permission::write);
        ok.has_error()) {
      return done(ok);
    }
  }
  ExchangeSpec spec;
  spec.vhost = vhost_;
  spec.name = declare.name;
  spec.type = declare.type;
  spec.durable = declare.durable;
  spec.auto_delete = declare.auto_delete;
  spec.internal = declare.internal;
  spec.arguments = declare.arguments;
  shard_->call(ShardId(0), [&shared = shard_->shared(), subject = subject_, near = shard_->id(),
                            spec = std::move(spec), back = come_back(ShardId(0), std::move(done))]() mutable {
    const Coordinator::AskedBy asked(*shared.coordinator, subject);
    shared.coordinator->declare_exchange(std::move(spec), near, std::move(back));
  });
}

void ConnectionImpl::check_exchange(std::string_view name, Done<void> done) {
  in_order(std::move(done))(name.empty() ? result<void>() : find_exchange(name));
}

void ConnectionImpl::delete_exchange(std::string_view name, bool if_unused, Done<void> done) {
  done = in_order(std::move(done));
  if (auto ok = not_the_default(name); ok.has_error()) return done(ok);
  if (auto ok = shard_->replica().access().authorize(subject_, vhost_, ResourceKind::exchange, name,
                                                     Permission::configure);
      ok.has_error()) {
    return done(ok);
  }
  if (name.starts_with("amq.") && find_exchange(name).has_value()) {
    return done(
        fail(Errc::access_refused, "deletion of system " + exchange_text(vhost_, name) + " not allowed"));
  }
  shard_->call(ShardId(0),
               [&shared = shard_->shared(), subject = subject_, vhost = vhost_, name = std::string(name),
                if_unused, back = come_back(ShardId(0), std::move(done))]() mutable {
                 const Coordinator::AskedBy asked(*shared.coordinator, subject);
                 shared.coordinator->delete_exchange(vhost, name, if_unused, std::move(back));
               });
}

// Bindings.

result<void> ConnectionImpl::check_binding_rights(VhostReplica& vhost, std::string_view source,
                                                  std::string_view destination, bool to_exchange,
                                                  std::string_view routing_key) {
  AccessControl& access = shard_->replica().access();
  if (auto ok = not_the_default(source); ok.has_error()) return ok;
  if (to_exchange) {
    if (auto ok = not_the_default(destination); ok.has_error()) return ok;
  }
  if (!to_exchange && destination.starts_with(kReplyPrefix)) {
    return fail(Errc::access_refused, "binding to " + queue_text(vhost_, destination) + " is not allowed");
  }
  const ResourceKind kind = to_exchange ? ResourceKind::exchange : ResourceKind::queue;
  if (auto ok = access.authorize(subject_, vhost_, kind, destination, Permission::write); ok.has_error()) {
    return ok;
  }
  if (auto ok = access.authorize(subject_, vhost_, ResourceKind::exchange, source, Permission::read);
      ok.has_error()) {
    return ok;
  }
  const Exchange* exchange = vhost.table->find_exchange(source);
  if (exchange && exchange->spec().type == "topic") {
    if (auto ok = access.authorize_topic(subject_, vhost_, source, routing_key, Permission::read);
        ok.has_error()) {
      return ok;
    }
  }
  if (!to_exchange) {
    if (const QueueSpec* queue = shard_->replica().find_queue(vhost, destination))
      return check_unlocked(*queue);
  }
  return {};
}

result<BindingSpec> ConnectionImpl::make_binding(std::string_view source, std::string_view destination,
                                                 bool to_exchange, std::string_view routing_key,
                                                 Arguments arguments) {
  const auto vhost = find_vhost();
  if (vhost.has_error()) return vhost.error();
  if (auto ok = check_name_length("routing key", routing_key); ok.has_error()) return ok.error();
  if (auto ok = check_binding_rights(**vhost, source, destination, to_exchange, routing_key);
      ok.has_error()) {
    return ok.error();
  }
  return BindingSpec{vhost_,      std::string(source),      std::string(destination),
                     to_exchange, std::string(routing_key), std::move(arguments)};
}

void ConnectionImpl::bind(std::string_view source, std::string_view destination, bool to_exchange,
                          std::string_view routing_key, Arguments arguments, Done<void> done) {
  done = in_order(std::move(done));
  auto binding = make_binding(source, destination, to_exchange, routing_key, std::move(arguments));
  if (binding.has_error()) return done(binding.error());
  shard_->call(ShardId(0), [&shared = shard_->shared(), binding = std::move(*binding), subject = subject_,
                            id = id_, back = come_back(ShardId(0), std::move(done))]() mutable {
    const Coordinator::AskedBy asked(*shared.coordinator, subject);
    shared.coordinator->bind(std::move(binding), subject, id, std::move(back));
  });
}

void ConnectionImpl::unbind(std::string_view source, std::string_view destination, bool to_exchange,
                            std::string_view routing_key, Arguments arguments, Done<void> done) {
  done = in_order(std::move(done));
  auto binding = make_binding(source, destination, to_exchange, routing_key, std::move(arguments));
  if (binding.has_error()) return done(binding.error());
  shard_->call(ShardId(0), [&shared = shard_->shared(), subject = subject_, binding = std::move(*binding),
                            back = come_back(ShardId(0), std::move(done))]() mutable {
    const Coordinator::AskedBy asked(*shared.coordinator, subject);
    shared.coordinator->unbind(std::move(binding), std::move(back));
  });
}

// Queues.

std::string ConnectionImpl::make_name() {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<std::uint8_t, 22> random{};
  shard_->shared().options.random(random);
  std::string name = "amq.gen-";
  for (const std::uint8_t byte : random) name += kDigits[byte & 63];
  return name;
}

void ConnectionImpl::ask_status(const QueueSpec& queue, Done<QueueStatus> done) {
  shard_->call(queue.address.shard,
               [&shared = shard_->shared(), address = queue.address, name = queue.name, vhost = vhost_,
                back = come_back(queue.address.shard, std::move(done))]() mutable {
                 Queue* found = shared.shards[address.shard.value]->find_queue(address.id);
                 if (!found || found->closing())
                   return back(fail(Errc::not_found, "no " + queue_text(vhost, name)));
                 found->catch_up();
                 found->touch();
                 back(QueueStatus{name, found->ready(), static_cast<std::uint32_t>(found->consumers())});
               });
}

void ConnectionImpl::declare_queue(const QueueDeclare& declare, Done<QueueStatus> done) {
  declare_named_queue(declare, declare.name.empty(), std::move(done));
}

void ConnectionImpl::declare_named_queue(const QueueDeclare& declare, bool server_named,
                                         Done<QueueStatus> done) {
  done = in_order(std::move(done));
  const auto vhost = find_vhost();
  if (vhost.has_error()) return done(vhost.error());
  if (auto ok = check_name_length("queue", declare.name); ok.has_error()) return done(ok.error());
  QueueSpec spec;
  spec.vhost = vhost_;
  spec.name = declare.name.empty() ? make_name() : std::string(declare.name);
  spec.durable = declare.durable;
  spec.auto_delete = declare.auto_delete;
  spec.exclusive_owner = declare.exclusive ? id_ : ConnectionId();
  spec.arguments = declare.arguments;

  AccessControl& access = shard_->replica().access();
  if (auto ok = access.authorize(subject_, vhost_, ResourceKind::queue, spec.name, Permission::configure);
      ok.has_error()) {
    return done(ok.error());
  }
  if (const Value* dlx = spec.arguments.find("x-dead-letter-exchange"); dlx && dlx->as_text()) {
    if (auto ok = access.authorize(subject_, vhost_, ResourceKind::queue, spec.name, Permission::read);
        ok.has_error()) {
      return done(ok.error());
    }
    if (auto ok =
            access.authorize(subject_, vhost_, ResourceKind::exchange, *dlx->as_text(), Permission::write);
        ok.has_error()) {
      return done(ok.error());
    }
  }
  // One that is there already, and stays while nothing of ours is under way, need not be asked for.
  if (slots_.size() == 1) {
    if (const QueueSpec* existing = shard_->replica().find_queue(**vhost, spec.name)) {
      if (auto ok = check_unlocked(*existing); ok.has_error()) return done(ok.error());
      QueueSpec asked = spec;
      if (existing->exclusive_owner == asked.exclusive_owner &&
          check_queue_arguments(asked, (*vhost)->spec.default_queue_type).has_value() &&
          check_queue_equivalent(*existing, asked).has_value()) {
        return ask_status(*existing, std::move(done));
      }
    }
  }
  declares_exclusive_ = declares_exclusive_ || declare.exclusive;
  Done<Coordinator::DeclaredQueue> declared =
      [this, done = std::move(done)](result<Coordinator::DeclaredQueue> answer) mutable {
        if (answer.has_error()) return done(answer.error());
        const QueueSpec& queue = answer->queue;
        if (answer->created) return done(QueueStatus{queue.name, 0, 0});
        ask_status(queue, std::move(done));
      };
  shard_->call(ShardId(0),
               [&shared = shard_->shared(), subject = subject_, near = shard_->id(), server_named,
                spec = std::move(spec), back = come_back(ShardId(0), std::move(declared))]() mutable {
                 const Coordinator::AskedBy asked(*shared.coordinator, subject);
                 shared.coordinator->declare_queue(std::move(spec), server_named, near, std::move(back));
               });
}

void ConnectionImpl::check_queue(std::string_view name, Done<QueueStatus> done) {
  done = in_order(std::move(done));
  if (name.starts_with(kReplyPrefix)) return check_reply_address(name, std::move(done));
  const auto queue = find_queue(name);
  if (queue.has_error()) return done(queue.error());
  if (auto ok = check_unlocked(**queue); ok.has_error()) return done(ok.error());
  ask_status(**queue, std::move(done));
}

void ConnectionImpl::purge_queue(std::string_view name, Done<std::uint64_t> done) {
  done = in_order(std::move(done));
  if (auto ok =
          shard_->replica().access().authorize(subject_, vhost_, ResourceKind::queue, name, Permission::read);
      ok.has_error()) {
    return done(ok.error());
  }
  const auto queue = find_queue(name);
  if (queue.has_error()) return done(queue.error());
  if (auto ok = check_unlocked(**queue); ok.has_error()) return done(ok.error());
  shard_->call((*queue)->address.shard,
               [&shared = shard_->shared(), address = (*queue)->address,
                back = come_back((*queue)->address.shard, std::move(done))]() mutable {
                 Queue* found = shared.shards[address.shard.value]->find_queue(address.id);
                 if (found) found->catch_up();
                 back(found ? found->purge() : 0);
               });
}

void ConnectionImpl::delete_queue(std::string_view name, bool if_unused, bool if_empty,
                                  Done<std::uint64_t> done) {
  ++deletions_;
  done = in_order<std::uint64_t>([this, done = std::move(done)](result<std::uint64_t> outcome) mutable {
    done(std::move(outcome));
    if (--deletions_ > 0) return;
    for (const ConsumerId consumer : std::exchange(cancelled_since_, {})) cancelled(consumer);
  });
  if (auto ok = shard_->replica().access().authorize(subject_, vhost_, ResourceKind::queue, name,
                                                     Permission::configure);
      ok.has_error()) {
    return done(ok.error());
  }
  // What was asked for before must have been done: only the coordinator knows.
  Done<std::optional<QueueSpec>> found =
      [this, if_unused, if_empty, done = std::move(done)](result<std::optional<QueueSpec>> answer) mutable {
        if (answer.has_error()) return done(answer.error());
        if (!*answer) return done(0);
        const QueueSpec& queue = **answer;
        if (auto ok = check_unlocked(queue); ok.has_error()) return done(ok.error());
        remove_queue(queue, if_unused, if_empty, std::move(done));
      };
  shard_->call(ShardId(0), [&shared = shard_->shared(), vhost = vhost_, name = std::string(name),
                            back = come_back(ShardId(0), std::move(found))]() mutable {
    shared.coordinator->find_queue(vhost, name, std::move(back));
  });
}

void ConnectionImpl::remove_queue(const QueueSpec& spec, bool if_unused, bool if_empty,
                                  Done<std::uint64_t> done) {
  // The answer goes by way of the coordinator, refused or done.
  shard_->call(spec.address.shard, [&shared = shard_->shared(), subject = subject_, spec, if_unused, if_empty,
                                    back = come_back(ShardId(0), std::move(done))]() mutable {
    Shard& owner = *shared.shards[spec.address.shard.value];
    Queue* queue = owner.find_queue(spec.address.id);
    result<std::uint64_t> outcome = std::uint64_t{0};
    bool going = false;
    if (queue && !queue->closing()) {
      queue->catch_up();
      if (queue->settings().quorum && (if_unused || if_empty)) {
        outcome =
            fail(Errc::not_implemented,
                 "cannot delete " + queue->describe() + ". queue.delete operations with " +
                     (if_unused ? "if-unused" : "if-empty") + " flag set are not supported by quorum queues");
      } else if (if_unused && queue->consumers() > 0) {
        outcome = fail(Errc::precondition_failed, queue->describe() + " in use");
      } else if (if_empty && queue->ready() > 0) {
        outcome = fail(Errc::precondition_failed, queue->describe() + " not empty");
      } else {
        outcome = queue->ready();
        queue->set_closing(true);
        going = true;
      }
    }
    owner.call(ShardId(0), [&shared, spec, subject, outcome = std::move(outcome), going,
                            back = std::move(back)]() mutable {
      if (!going) return back(std::move(outcome));
      const Coordinator::AskedBy asked(*shared.coordinator, subject);
      shared.coordinator->delete_queue(spec.vhost, spec.name, spec.address,
                                       [outcome = std::move(outcome), back = std::move(back)](
                                           result<void>) mutable { back(std::move(outcome)); });
    });
  });
}

}  // namespace millrace::broker
