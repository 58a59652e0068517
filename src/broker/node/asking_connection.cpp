#include "broker/node/asking_connection.hpp"

#include <utility>

#include "broker/access/access_control.hpp"
#include "broker/node/reply_address.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

using About = RightQuestion::About;

std::string_view exchange_name(std::string_view name) noexcept {
  return name.empty() ? std::string_view("amq.default") : name;
}

}  // namespace

AskingConnection::AskingConnection(Shard& shard, std::unique_ptr<ConnectionImpl> inner,
                                   std::shared_ptr<KnownRights> rights)
    : shard_(shard), inner_(std::move(inner)), rights_(std::move(rights)) {}

AskingConnection::~AskingConnection() {
  *alive_ = false;
}

std::int64_t AskingConnection::now_ns() const {
  return shard_.runtime().clock.steady().count();
}

RightQuestion AskingConnection::resource(ResourceKind kind, std::string_view name,
                                         Permission permission) const {
  const Subject& subject = inner_->subject();
  RightQuestion question{About::resource,   subject.user,    subject.tags,
                         subject.peer,      inner_->vhost(), kind,
                         std::string(name), permission,      {}};
  if (kind == ResourceKind::exchange) question.name = exchange_name(name);
  return question;
}

RightQuestion AskingConnection::topic(std::string_view exchange, std::string_view routing_key,
                                      Permission permission) const {
  RightQuestion question = resource(ResourceKind::exchange, exchange, permission);
  question.about = About::topic;
  question.routing_key = routing_key;
  return question;
}

// One that is not known here may be declared by now.
bool AskingConnection::is_topic(std::string_view exchange) const {
  const VhostReplica* vhost = shard_.replica().find_vhost(inner_->vhost());
  const Exchange* found = vhost == nullptr ? nullptr : vhost->table->find_exchange(exchange);
  return found == nullptr || found->spec().type == "topic";
}

std::size_t AskingConnection::ask(const Questions& questions, const std::function<void()>& known) {
  std::size_t missing = 0;
  const std::int64_t now = now_ns();
  for (const RightQuestion& question : questions) {
    if (rights_->is_fresh(question, now)) continue;
    ++missing;
    rights_->asks()->ask(question,
                         [&shard = shard_, alive = alive_, this, question, known](RightAnswer answer) {
                           shard.runtime().executor.post([alive, this, question, known, answer] {
                             if (!*alive) return;
                             rights_->learn(question, answer, now_ns());
                             inner_->forget_rights();
                             known();
                             shard_.touch(*inner_);
                           });
                         });
  }
  return missing;
}

void AskingConnection::when_known(Questions questions, Task then) {
  waiting_.push_back({std::move(questions), std::move(then), 0, false});
  go_on();
}

void AskingConnection::go_on() {
  if (std::exchange(going_on_, true)) return;
  const std::shared_ptr<bool> alive = alive_;
  while (!waiting_.empty()) {
    Waiting& first = waiting_.front();
    if (!std::exchange(first.asked, true)) {
      first.missing = ask(first.questions, [this] {
        --waiting_.front().missing;
        go_on();
      });
    }
    if (first.missing != 0) break;
    Task then = std::move(first.then);
    waiting_.pop_front();
    then();
    if (!*alive) return;
  }
  going_on_ = false;
}

bool AskingConnection::prepare_publish(std::string_view exchange, std::string_view routing_key, Task ready) {
  const std::int64_t now = now_ns();
  if (now < look_again_ns_ && exchange == published_exchange_ && routing_key == published_key_) return true;
  Questions questions{resource(ResourceKind::exchange, exchange, Permission::write)};
  if (!exchange.empty() && is_topic(exchange))
    questions.push_back(topic(exchange, routing_key, Permission::write));
  auto left = std::make_shared<std::size_t>(0);
  auto then = std::make_shared<Task>(std::move(ready));
  *left = ask(questions, [left, then] {
    if (--*left == 0) (*then)();
  });
  if (*left != 0) return false;
  published_exchange_ = exchange;
  published_key_ = routing_key;
  look_again_ns_ = now + kLookAgainNs;
  return true;
}

void AskingConnection::declare_exchange(const ExchangeDeclare& declare, Done<void> done) {
  Questions questions{resource(ResourceKind::exchange, declare.name, Permission::configure)};
  const Value* alternate = declare.arguments.find("alternate-exchange");
  if (alternate != nullptr && alternate->as_text() != nullptr) {
    questions.push_back(resource(ResourceKind::exchange, declare.name, Permission::read));
    questions.push_back(resource(ResourceKind::exchange, *alternate->as_text(), Permission::write));
  }
  when_known(std::move(questions),
             [this, declare = ExchangeDeclare(declare), name = std::string(declare.name),
              type = std::string(declare.type), done = std::move(done)]() mutable {
               declare.name = name;
               declare.type = type;
               inner_->declare_exchange(declare, std::move(done));
             });
}

void AskingConnection::check_exchange(std::string_view name, Done<void> done) {
  when_known({}, [this, name = std::string(name), done = std::move(done)]() mutable {
    inner_->check_exchange(name, std::move(done));
  });
}

void AskingConnection::delete_exchange(std::string_view name, bool if_unused, Done<void> done) {
  when_known({resource(ResourceKind::exchange, name, Permission::configure)},
             [this, name = std::string(name), if_unused, done = std::move(done)]() mutable {
               inner_->delete_exchange(name, if_unused, std::move(done));
             });
}

AskingConnection::Questions AskingConnection::binding_rights(std::string_view source,
                                                             std::string_view destination, bool to_exchange,
                                                             std::string_view routing_key) const {
  const ResourceKind kind = to_exchange ? ResourceKind::exchange : ResourceKind::queue;
  Questions questions{resource(kind, destination, Permission::write),
                      resource(ResourceKind::exchange, source, Permission::read)};
  if (is_topic(source)) questions.push_back(topic(source, routing_key, Permission::read));
  return questions;
}

void AskingConnection::bind(std::string_view source, std::string_view destination, bool to_exchange,
                            std::string_view routing_key, Arguments arguments, Done<void> done) {
  when_known(binding_rights(source, destination, to_exchange, routing_key),
             [this, source = std::string(source), destination = std::string(destination), to_exchange,
              routing_key = std::string(routing_key), arguments = std::move(arguments),
              done = std::move(done)]() mutable {
               inner_->bind(source, destination, to_exchange, routing_key, std::move(arguments),
                            std::move(done));
             });
}

void AskingConnection::unbind(std::string_view source, std::string_view destination, bool to_exchange,
                              std::string_view routing_key, Arguments arguments, Done<void> done) {
  when_known(binding_rights(source, destination, to_exchange, routing_key),
             [this, source = std::string(source), destination = std::string(destination), to_exchange,
              routing_key = std::string(routing_key), arguments = std::move(arguments),
              done = std::move(done)]() mutable {
               inner_->unbind(source, destination, to_exchange, routing_key, std::move(arguments),
                              std::move(done));
             });
}

void AskingConnection::declare_queue(const QueueDeclare& declare, Done<QueueStatus> done) {
  // The name that the broker would make is asked for like any other.
  std::string name = declare.name.empty() ? inner_->make_name() : std::string(declare.name);
  Questions questions{resource(ResourceKind::queue, name, Permission::configure)};
  const Value* dlx = declare.arguments.find("x-dead-letter-exchange");
  if (dlx != nullptr && dlx->as_text() != nullptr) {
    questions.push_back(resource(ResourceKind::queue, name, Permission::read));
    questions.push_back(resource(ResourceKind::exchange, *dlx->as_text(), Permission::write));
  }
  when_known(std::move(questions), [this, declare = QueueDeclare(declare), made = declare.name.empty(),
                                    name = std::move(name), done = std::move(done)]() mutable {
    declare.name = name;
    inner_->declare_named_queue(declare, made, std::move(done));
  });
}

void AskingConnection::check_queue(std::string_view name, Done<QueueStatus> done) {
  when_known({}, [this, name = std::string(name), done = std::move(done)]() mutable {
    inner_->check_queue(name, std::move(done));
  });
}

void AskingConnection::purge_queue(std::string_view name, Done<std::uint64_t> done) {
  when_known({resource(ResourceKind::queue, name, Permission::read)},
             [this, name = std::string(name), done = std::move(done)]() mutable {
               inner_->purge_queue(name, std::move(done));
             });
}

void AskingConnection::delete_queue(std::string_view name, bool if_unused, bool if_empty,
                                    Done<std::uint64_t> done) {
  when_known({resource(ResourceKind::queue, name, Permission::configure)},
             [this, name = std::string(name), if_unused, if_empty, done = std::move(done)]() mutable {
               inner_->delete_queue(name, if_unused, if_empty, std::move(done));
             });
}

void AskingConnection::consume(const Consume& consume, Done<QueueAddress> done) {
  Questions questions;
  if (consume.queue != kReplyAddressPrefix)
    questions.push_back(resource(ResourceKind::queue, consume.queue, Permission::read));
  when_known(std::move(questions), [this, consume = Consume(consume), queue = std::string(consume.queue),
                                    done = std::move(done)]() mutable {
    consume.queue = queue;
    inner_->consume(consume, std::move(done));
  });
}

void AskingConnection::cancel(ConsumerId consumer, Done<void> done) {
  when_known(
      {}, [this, consumer, done = std::move(done)]() mutable { inner_->cancel(consumer, std::move(done)); });
}

void AskingConnection::get(std::string_view queue, bool no_ack, Done<std::optional<GotMessage>> done) {
  when_known({resource(ResourceKind::queue, queue, Permission::read)},
             [this, queue = std::string(queue), no_ack, done = std::move(done)]() mutable {
               inner_->get(queue, no_ack, std::move(done));
             });
}

void AskingConnection::update_secret(std::string_view secret, Done<void> done) {
  inner_->update_secret(secret, std::move(done));
}

void AskingConnection::close(Done<void> done) {
  // What waits is not done any more, and its completions do not come after close().
  waiting_.clear();
  *alive_ = false;
  inner_->close(std::move(done));
}

}  // namespace millrace::broker
