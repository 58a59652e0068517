// What a protocol's session may ask of the broker, and what it hears back. Sessions and the HTTP API reach
// the core by this interface only, so that names, permissions and limits are checked in one place.
//
// Thread: a connection lives on one shard; every call and every callback is on that shard's thread.
// Completions
// (`Done<T>`) are called exactly once, in the order of the calls for calls that change definitions; a
// completion may run before the call returns, when all that is asked for is on this shard. After close() no
// callback comes.
//
// Errors are neutral (Errc with a text that names the object as RabbitMQ's texts do: "queue 'q' in vhost
// '/'"); the session maps them to its protocol's codes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/task.hpp"
#include "broker/body_budget.hpp"
#include "broker/ids.hpp"
#include "broker/message.hpp"
#include "broker/specs.hpp"

namespace millrace::broker {

template <class T>
using Done = UniqueFunction<void(result<T>)>;

class Rights;

// Who is connected: the outcome of authentication.
struct Subject {
  static constexpr std::int64_t kNeverEnds = INT64_MAX;

  std::string user;
  std::vector<std::string> tags;
  // Not a user, but the program that the broker runs in: nothing is refused to it.
  bool owner = false;
  std::string peer;  // from where, for the audit log
  // Of one whom an authority knows (access/authority.hpp): what it may do. Null: the broker's permissions
  // say.
  std::shared_ptr<const Rights> rights;
  std::int64_t ends_ms = kNeverEnds;  // wall clock: what it has shown counts until then
  bool has_tag(std::string_view tag) const noexcept;
};

// What TLS found out about a peer.
struct TlsPeer {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  std::string subject;  // of its certificate, as RFC 2253 writes it; empty: it showed none
  std::string issuer;
  std::string user;  // whom its certificate, which was verified, says that it is; empty: nobody
};

struct ConnectionInfo {
  std::string protocol;  // for people: "AMQP 0-9-1"
  std::string peer;      // "127.0.0.1:4711"
  bool peer_is_loopback = false;
  bool peer_is_owner = false;          // the program that the broker runs in
  std::string client_name;             // connection_name where the client gives one
  bool is_management = false;          // made by Management::use: not a client of its own
  std::shared_ptr<const TlsPeer> tls;  // none: its bytes travel in clear
};

// What has gone through a channel. Counted by its session with plain additions.
struct ChannelCounters {
  std::uint64_t published = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t returned = 0;
  std::uint64_t unroutable = 0;  // and not to be returned
  std::uint64_t delivered = 0;   // an acknowledgement is to come
  std::uint64_t delivered_no_ack = 0;
  std::uint64_t got = 0;
  std::uint64_t got_no_ack = 0;
  std::uint64_t got_nothing = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t acked = 0;

  // To consumers and to those who asked.
  std::uint64_t given() const noexcept { return delivered + delivered_no_ack + got + got_no_ack; }
};

// A session as its client set it up, for people: lists of connections, channels and consumers.
struct ChannelDetails {
  std::uint16_t number = 0;
  bool confirm = false;
  bool transactional = false;
  std::uint32_t prefetch = 0;          // of each consumer to come; 0: none
  std::uint32_t channel_prefetch = 0;  // of all its consumers together; 0: none
  std::uint64_t unacked = 0;
  std::uint64_t unconfirmed = 0;
  std::uint32_t consumers = 0;
  ChannelCounters counters;
};
struct ConsumerDetails {
  ConsumerId id;
  std::uint16_t channel = 0;
  std::uint32_t prefetch = 0;
};
struct SessionDetails {
  std::uint32_t frame_max = 0;
  std::uint16_t channel_max = 0;
  std::uint32_t heartbeat_s = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::string mechanism;
  std::vector<ChannelDetails> channels;
  std::vector<ConsumerDetails> consumers;
};

struct QueueStatus {
  std::string name;
  std::uint64_t messages = 0;  // ready
  std::uint32_t consumers = 0;
};

struct QueueDeclare {
  std::string_view name;  // empty: the broker makes one up
  bool durable = false;
  bool exclusive = false;
  bool auto_delete = false;
  Arguments arguments;
};

struct ExchangeDeclare {
  std::string_view name;
  std::string_view type;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  Arguments arguments;
};

// The caller's mark on a publish, given back by on_confirm. 0: no confirm wanted.
using PublishToken = std::uint64_t;

struct Publish {
  std::string_view exchange;
  std::string_view routing_key;
  std::span<const std::string_view> extra_keys;  // CC and BCC
  Ref<Message> message;
  PublishToken token = 0;
  bool mandatory = false;  // for the figures alone: the session returns what was not routed
};

struct PublishOutcome {
  bool routed = false;   // to at least one queue; else the session may return it to its publisher
  bool pending = false;  // on_confirm will come for the token; otherwise the session confirms at once
};

struct Confirmation {
  PublishToken token = 0;
  bool accepted = false;  // false: refused by a full queue (reject-publish), or not stored
};

struct Delivery {
  MessageRef message;
  std::uint64_t seq = 0;             // names the message within its queue
  std::uint32_t delivery_count = 0;  // how often it was delivered and came back before
  bool redelivered = false;
  bool show_delivery_count = false;  // quorum queues: x-delivery-count when above 0
  bool stamped = false;              // the queue stamps: show `sequence` and `arrival_ms`
  std::uint64_t sequence = 0;        // dense in the queue, from 1
  std::int64_t arrival_ms = 0;
  std::int64_t waited_us = 0;  // in its queue, since it came or came back
};

struct GotMessage {
  QueueAddress queue;
  Delivery delivery;
  std::uint64_t messages_left = 0;
};

struct Consume {
  std::string_view queue;
  ConsumerId id;  // chosen by the session, unique in its connection
  bool no_ack = false;
  bool exclusive = false;
  bool no_local = false;  // accepted and ignored, as RabbitMQ does
  std::int64_t priority = 0;
  std::uint32_t credit = 0;  // messages the queue may send before grant() gives more
  std::string tag;           // for people: lists of consumers
  Arguments arguments;
};

enum class Settlement : std::uint8_t {
  ack,
  reject,          // dead-letter or drop
  requeue,         // the consumer gives it back: basic.nack, basic.recover
  requeue_failed,  // the consumer failed on it: basic.reject with requeue; raises the delivery count of
                   // quorum queues
};

// Implemented by the session.
class ConnectionListener {
 public:
  virtual ~ConnectionListener() = default;
  // Never from inside Connection::publish.
  virtual void on_confirm(std::span<const Confirmation> confirmations) = 0;
  virtual void on_deliver(ConsumerId consumer, Delivery&& delivery) = 0;
  // The queue is gone, or lost its master: the consumer exists no more.
  virtual void on_consumer_cancelled(ConsumerId consumer) = 0;
  // Publishers are held back until on_unblocked; the reason is RabbitMQ's word ("low on disk"). Empty: for a
  // moment only, clients need not be told. Called again when the reason changes.
  virtual void on_blocked(std::string_view reason) = 0;
  virtual void on_unblocked() = 0;
  // The broker wants the connection closed (shutting_down, or an operator's wish with its reason).
  virtual void on_close_requested(const Error& why) = 0;
  // It mostly uses queues of that shard, and would be better off there: the session may answer by
  // Connection::leave_for, now or when it is asked again, or never.
  virtual void on_move_suggested(ShardId) {}
  // What lists of connections show of it. Asked for when somebody looks.
  virtual SessionDetails describe() const { return {}; }
  // The end of a turn in which something was called back: time to write.
  virtual void on_turn_end() = 0;
};

class Connection {
 public:
  virtual ~Connection() = default;

  virtual ConnectionId id() const noexcept = 0;
  virtual const Subject& subject() const noexcept = 0;
  virtual const std::string& vhost() const noexcept = 0;

  // Exchanges.
  virtual void declare_exchange(const ExchangeDeclare& declare, Done<void> done) = 0;
  virtual void check_exchange(std::string_view name, Done<void> done) = 0;  // passive declare
  virtual void delete_exchange(std::string_view name, bool if_unused, Done<void> done) = 0;
  // Bindings. Unbinding what is not bound succeeds.
  virtual void bind(std::string_view source, std::string_view destination, bool to_exchange,
                    std::string_view routing_key, Arguments arguments, Done<void> done) = 0;
  virtual void unbind(std::string_view source, std::string_view destination, bool to_exchange,
                      std::string_view routing_key, Arguments arguments, Done<void> done) = 0;
  // Queues. Deleting what does not exist succeeds with 0 messages.
  virtual void declare_queue(const QueueDeclare& declare, Done<QueueStatus> done) = 0;
  virtual void check_queue(std::string_view name, Done<QueueStatus> done) = 0;
  virtual void purge_queue(std::string_view name, Done<std::uint64_t> done) = 0;
  virtual void delete_queue(std::string_view name, bool if_unused, bool if_empty,
                            Done<std::uint64_t> done) = 0;

  // Whether the rights that this publish needs are known. False: `ready` is called when they are, unless the
  // connection ends before, and publish() is to wait until then.
  virtual bool prepare_publish([[maybe_unused]] std::string_view exchange,
                               [[maybe_unused]] std::string_view routing_key, [[maybe_unused]] Task ready) {
    return true;
  }
  // Routes and enqueues. Synchronous: an error (not_found, access_refused) means nothing was done.
  virtual result<PublishOutcome> publish(const Publish& publish) = 0;

  // Consuming. Completion gives where to settle. A name of the form amq.rabbitmq.reply-to is direct reply-to.
  virtual void consume(const Consume& consume, Done<QueueAddress> done) = 0;
  virtual void cancel(ConsumerId consumer, Done<void> done) = 0;  // what it holds stays unsettled
  virtual void grant(ConsumerId consumer, std::uint32_t credit) = 0;
  virtual void get(std::string_view queue, bool no_ack, Done<std::optional<GotMessage>> done) = 0;
  // `seqs` rising. For what a consumer or get() received without no_ack. `consumer` 0 for got messages.
  virtual void settle(const QueueAddress& queue, ConsumerId consumer, std::span<const std::uint64_t> seqs,
                      Settlement how) = 0;

  // The session's direct reply-to address (amq.rabbitmq.reply-to.<secret>), empty without such a consumer.
  virtual std::string_view reply_address() const noexcept = 0;

  // A new secret for the same user (AMQP update-secret): what ends with the secret goes on. not_allowed: it
  // is refused, or of somebody else.
  virtual void update_secret(std::string_view secret, Done<void> done) = 0;
  // True while publishers are held back: the session must not take in more publishes.
  virtual bool publishers_blocked() const noexcept = 0;

  // One more channel of the user's, where the protocol has channels: not_allowed when the user's limit is
  // reached. What is not given back is so when the connection ends.
  virtual result<void> take_channel() = 0;
  virtual void give_back_channel() noexcept = 0;

  // Moving to another shard's thread. False: something is under way, or it cannot move; it stays. Otherwise
  // the session may still be called back, but asks for nothing any more, except for close(), until `left` is
  // called, when all that it asked for is where it belongs. Then nothing is called back, and the session with
  // all it has goes to the other thread and calls arrive() there first of all.
  virtual bool leave_for(ShardId to, Task left) = 0;
  virtual void arrive() = 0;

  // Requeues what is unsettled, cancels consumers, deletes exclusive queues; then done.
  virtual void close(Done<void> done) = 0;
};

struct Credentials {
  std::string user;
  Secret secret;
  // Not a password: the user is whom the peer's certificate names (ConnectionInfo::tls), `user` is not looked
  // at.
  bool by_certificate = false;
  // Not a password: a token, which says who it is of.
  bool is_token = false;
};

// A login by SCRAM under way, between its messages.
class ScramLogin;
enum class ScramHash : std::uint8_t;
struct ScramChallenge {
  std::shared_ptr<ScramLogin> login;
  std::string server_first;
};
struct ScramSuccess {
  Subject subject;
  std::string server_final;
};

// What a session needs before it has a connection.
class Gate {
 public:
  virtual ~Gate() = default;
  // Slow by design: runs elsewhere and completes later. Failure: access_refused, whatever the cause. Without
  // a user's name the peer vouches for itself: it has to be the owner.
  virtual void authenticate(Credentials credentials, const ConnectionInfo& info, Done<Subject> done) = 0;
  // Whether a user of that name is kept here, whom a certificate may stand for.
  virtual bool has_user(std::string_view name) const noexcept = 0;
  // The two steps of a login by SCRAM: the client's first message to the server's, its final message to the
  // server's. Failure as above; the login is for one attempt.
  virtual void begin_scram(ScramHash hash, std::string_view client_first, const ConnectionInfo& info,
                           Done<ScramChallenge> done) = 0;
  virtual void finish_scram(std::shared_ptr<ScramLogin> login, std::string_view client_final,
                            const ConnectionInfo& info, Done<ScramSuccess> done) = 0;
  // Of a subject whose rights are asked for (Rights::asks): asks for that vhost. Completes with the subject
  // to call open() with, whatever the answer was.
  virtual void enter(const Subject& subject, [[maybe_unused]] std::string_view vhost, Done<Subject> done) {
    done(subject);
  }
  // Checks the vhost, the user's access to it and the limits: not_allowed with RabbitMQ's text.
  virtual result<std::unique_ptr<Connection>> open(const Subject& subject, std::string_view vhost,
                                                   const ConnectionInfo& info,
                                                   ConnectionListener& listener) = 0;
  virtual std::int64_t wall_ms() const noexcept = 0;
  virtual std::uint64_t max_message_bytes() const noexcept = 0;
  // For bodies that are still arriving. Of the shard; outlives its sessions.
  virtual BodyBudget& body_budget() noexcept = 0;
};

}  // namespace millrace::broker
