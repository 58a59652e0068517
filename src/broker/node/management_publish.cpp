// Publishing for the HTTP API: one message or many, answered when each has its confirm.
//
// Messages are made where they are asked for, so that the shard copies no bodies; and sent in steps, so that
// many of them do not hold it.
#include <utility>

#include "base/number.hpp"
#include "broker/node/management_visit.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

// Of one turn.
constexpr std::size_t kMessagesPerStep = 64;
constexpr std::size_t kBytesPerStep = 256 * 1024;

// CC and BCC of the headers, as a publisher's; BCC is taken out.
result<std::vector<std::string>> take_extra_keys(MessageProperties& properties) {
  std::vector<std::string> keys;
  if (!properties.headers) return keys;
  Arguments kept;
  for (const Argument& header : *properties.headers) {
    if (header.key != "CC" && header.key != "BCC") {
      kept.set(header.key, header.value);
      continue;
    }
    const auto* list = std::get_if<std::vector<Value>>(&header.value.data);
    if (list == nullptr) return fail(Errc::invalid_argument, "header '" + header.key + "' must be a list");
    for (const Value& key : *list) {
      if (key.as_text() == nullptr) {
        return fail(Errc::invalid_argument, "header '" + header.key + "' must be a list of texts");
      }
      keys.push_back(*key.as_text());
    }
    if (header.key == "CC") kept.set(header.key, header.value);
  }
  properties.headers = std::move(kept);
  return keys;
}

// AMQP 0-9-1 §4.2.5.3 cannot say longer ones, and its consumers must be able to read the message.
constexpr std::size_t kMaxTextBytes = 255;

result<void> check_lengths(const Management::Publication& publication) {
  const MessageProperties& p = publication.properties;
  const auto too_long = [](std::string_view what) {
    return fail(Errc::invalid_argument, std::string(what) + " is longer than 255 bytes");
  };
  if (publication.exchange.size() > kMaxTextBytes) return too_long("exchange");
  if (publication.routing_key.size() > kMaxTextBytes) return too_long("routing_key");
  for (const auto* text : {&p.content_type, &p.content_encoding, &p.correlation_id, &p.reply_to,
                           &p.expiration, &p.message_id, &p.type, &p.user_id, &p.app_id, &p.cluster_id}) {
    if (*text && (*text)->size() > kMaxTextBytes) return too_long("a property");
  }
  if (!p.headers) return {};
  for (const Argument& header : *p.headers) {
    if (header.key.size() > kMaxTextBytes) return too_long("the name of a header");
  }
  return {};
}

result<std::int64_t> ttl_of(const MessageProperties& properties) {
  if (!properties.expiration) return -1;
  const auto ttl = whole_number<std::int64_t>(*properties.expiration);
  if (!ttl || *ttl < 0 || *ttl > 0xffffffff) {
    return fail(Errc::invalid_argument, "expiration must be a number of milliseconds below 2^32, as text");
  }
  return *ttl;
}

}  // namespace

struct ManagementImpl::Prepared {
  std::string exchange;
  std::string routing_key;
  std::vector<std::string> extra_keys;
  bool mandatory = false;
  Ref<Message> message;
};

struct ManagementImpl::Sending {
  std::vector<result<Prepared>> messages;
  std::vector<result<bool>> outcomes;
  std::size_t next = 0;
  std::size_t waiting = 0;  // for their confirms
  Done<void> finished;
};

// The message is as one that came by AMQP: what a consumer of any protocol can read. Any thread.
result<ManagementImpl::Prepared> ManagementImpl::prepare(const Subject& subject,
                                                         Publication& publication) const {
  MessageProperties& properties = publication.properties;
  if (publication.body.size() > shared_.options.max_message_bytes) {
    return fail(Errc::content_too_large, "message size " + std::to_string(publication.body.size()) +
                                             " is larger than configured max size " +
                                             std::to_string(shared_.options.max_message_bytes));
  }
  if (properties.user_id && *properties.user_id != subject.user && !subject.has_tag("impersonator")) {
    return fail(Errc::precondition_failed, "user_id property set to '" + *properties.user_id +
                                               "' but authenticated user was '" + subject.user + "'");
  }
  if (auto ok = check_lengths(publication); ok.has_error()) return ok.error();
  auto extra_keys = take_extra_keys(properties);
  if (extra_keys.has_error()) return extra_keys.error();
  const auto ttl_ms = ttl_of(properties);
  if (ttl_ms.has_error()) return ttl_ms.error();
  Buffer header;
  const MessageFormat& format = *shared_.options.formats.by_origin[static_cast<std::size_t>(Origin::amqp091)];
  if (!format.put_header(header, properties)) {
    return fail(Errc::invalid_argument, "headers are nested too deeply");
  }
  Message::Fields fields;
  fields.origin = Origin::amqp091;
  fields.durable = properties.delivery_mode == 2;
  fields.priority = properties.priority.value_or(0);
  fields.ttl_ms = *ttl_ms;
  fields.received_ms = shared_.shards[0]->runtime().clock.wall().count();
  if (properties.timestamp && *properties.timestamp <= INT64_MAX / 1000) {
    fields.timestamp_ms = static_cast<std::int64_t>(*properties.timestamp) * 1000;
  }
  fields.exchange = publication.exchange;
  fields.routing_key = publication.routing_key;
  fields.header = header.view();
  Prepared prepared;
  prepared.message = Message::create(fields, as_bytes(publication.body));
  prepared.exchange = std::move(publication.exchange);
  prepared.routing_key = std::move(publication.routing_key);
  prepared.extra_keys = std::move(*extra_keys);
  prepared.mandatory = publication.mandatory;
  publication.body = {};
  return prepared;
}

void ManagementImpl::publish_all(Subject subject, std::string vhost, ConnectionInfo info,
                                 std::vector<Publication> publications,
                                 Done<std::vector<result<bool>>> done) {
  auto sending = std::make_shared<Sending>();
  sending->messages.reserve(publications.size());
  for (Publication& publication : publications) sending->messages.push_back(prepare(subject, publication));
  sending->outcomes.assign(publications.size(), false);
  visit(
      std::move(subject), std::move(vhost), std::move(info),
      [this, sending](Visit& visit, Done<void> finished) {
        sending->finished = std::move(finished);
        visit.on_each_confirmed = [this, id = visit.id, sending](PublishToken token, bool accepted) {
          if (!accepted) {
            sending->outcomes[token - 1] =
                fail(Errc::resource_error, "the message was refused by a queue that is full");
          }
          --sending->waiting;
          on_sent(id, sending);
        };
        send_next(visit.id, sending);
      },
      [sending, done = std::move(done)](result<void> outcome) mutable {
        if (outcome.has_error()) return done(outcome.error());
        done(std::move(sending->outcomes));
      });
}

void ManagementImpl::send_next(std::uint64_t visit_id, const std::shared_ptr<Sending>& sending) {
  Connection* connection = connection_of(visit_id);
  if (connection == nullptr) return;
  std::size_t bytes = 0;
  for (std::size_t n = 0; n < kMessagesPerStep && bytes < kBytesPerStep; ++n) {
    if (sending->next == sending->messages.size()) break;
    const std::size_t place = sending->next++;
    if (const auto& message = sending->messages[place]; message.has_value()) {
      const auto again = [this, visit_id, sending] { send_next(visit_id, sending); };
      if (!connection->prepare_publish(message->exchange, message->routing_key, again)) {
        --sending->next;
        return;
      }
    }
    if (sending->messages[place].has_error()) {
      sending->outcomes[place] = sending->messages[place].error();
      continue;
    }
    if (connection->publishers_blocked()) {
      sending->outcomes[place] =
          fail(Errc::resource_error, "publishers are held back: memory or disk space is low");
      continue;
    }
    Prepared& prepared = *sending->messages[place];
    bytes += prepared.message->footprint();
    const std::vector<std::string_view> extra(prepared.extra_keys.begin(), prepared.extra_keys.end());
    Publish publish;
    publish.exchange = prepared.exchange;
    publish.routing_key = prepared.routing_key;
    publish.extra_keys = extra;
    publish.message = std::move(prepared.message);
    publish.token = place + 1;
    publish.mandatory = prepared.mandatory;
    const auto outcome = connection->publish(publish);
    if (outcome.has_error()) {
      sending->outcomes[place] = outcome.error();
      continue;
    }
    sending->outcomes[place] = outcome->routed;
    if (outcome->pending) ++sending->waiting;
  }
  if (sending->next == sending->messages.size()) return on_sent(visit_id, sending);
  on_shard0([this, visit_id, sending] { send_next(visit_id, sending); });
}

void ManagementImpl::on_sent(std::uint64_t visit_id, const std::shared_ptr<Sending>& sending) {
  if (sending->next != sending->messages.size() || sending->waiting != 0) return;
  if (connection_of(visit_id) != nullptr && sending->finished) std::exchange(sending->finished, {})({});
}

void ManagementImpl::publish(Subject subject, std::string vhost, ConnectionInfo info, Publication publication,
                             Done<bool> done) {
  std::vector<Publication> one;
  one.push_back(std::move(publication));
  publish_all(std::move(subject), std::move(vhost), std::move(info), std::move(one),
              [done = std::move(done)](result<std::vector<result<bool>>> outcome) mutable {
                if (outcome.has_error()) return done(outcome.error());
                done(std::move(outcome->front()));
              });
}

}  // namespace millrace::broker
