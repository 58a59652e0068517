// One AMQP 0-9-1 connection: bytes in, calls of the broker, bytes out. No sockets and no threads.
//
// Thread: all on the connection's shard. The pump that owns the session
// - offers what it received to on_bytes, with what was left over before at the front;
// - calls on_written after bytes left the output queue: deliveries without acknowledgement stop while more
//   than kOutputHighBytes wait there, and go on from here;
// - calls on_disconnected once when the socket is gone, whoever closed it, and deletes the session after
//   Transport::session_done.
//
// Frames of a channel wait while an earlier method of it has no answer yet; then reading is paused. But for
// definitions: up to kPipelinedMax of a channel are under way at once, since each waits for the disk. What a
// turn settles, confirms and grants is told once, at its end (the end of on_bytes, or on_turn_end).
//
// Bounds: before authentication frames of at most 64 KiB; afterwards frame_max, and 1 MiB for what is not a
// body. Bodies that are still arriving: those up to kOwnBodyBytes take so much together; for what is beyond,
// and for longer ones, room is held in the broker's BodyBudget, and reading is paused until there is some.
// The bodies of an uncommitted transaction: kTransactionBytesMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "broker/connection.hpp"
#include "codec/amqp091/content.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/methods.hpp"
#include "codec/amqp091/properties.hpp"
#include "protocol/amqp091/channel.hpp"
#include "protocol/amqp091/errors.hpp"
#include "protocol/amqp091/options.hpp"
#include "protocol/amqp091/transport.hpp"

namespace millrace::amqp091 {

class Session final : public broker::ConnectionListener, private broker::BodyBudget::Owner {
 public:
  static constexpr std::size_t kHandshakeFrameMax = 64 * 1024;
  static constexpr std::size_t kBufferedFrameMax = 1024 * 1024;
  static constexpr std::size_t kOutputHighBytes = 1024 * 1024;
  static constexpr std::uint64_t kOwnBodyBytes = 1024 * 1024;
  static constexpr std::uint64_t kMessageBytesCap = 512u << 20;  // as RabbitMQ's, whatever is configured
  static constexpr std::uint64_t kTransactionBytesMax = 256u << 20;
  static constexpr std::uint32_t kPipelinedMax = 256;
  static constexpr std::uint32_t kConsumersMax = 65536;  // of a connection

  Session(broker::Gate& gate, Transport& transport, const SessionOptions& options,
          broker::ConnectionInfo info);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override;

  // How many bytes it is done with. The rest is to be offered again with more behind it, or after
  // resume_reading.
  std::size_t on_bytes(ByteView received);
  void on_written();
  void on_disconnected();
  // Moved to another shard: the pump calls it there before anything else.
  void on_moved(broker::Gate& gate);

  // The broker's side.
  void on_confirm(std::span<const broker::Confirmation> confirmations) override;
  void on_deliver(broker::ConsumerId consumer, broker::Delivery&& delivery) override;
  void on_consumer_cancelled(broker::ConsumerId consumer) override;
  void on_blocked(std::string_view reason) override;
  void on_unblocked() override;
  void on_close_requested(const Error& why) override;
  void on_move_suggested(broker::ShardId to) override;
  void on_turn_end() override;
  broker::SessionDetails describe() const override;

 private:
  enum class State : std::uint8_t {
    greeting,
    starting,
    authenticating,
    securing,
    tuning,
    opening,
    running,
    closing,  // the client asked; close-ok follows when the broker let go
    failed,   // connection.close was sent: all but its close-ok is swallowed
    ended,
  };
  enum PauseReason : std::uint8_t { kWaitsForBroker = 1, kBlockedByAlarm = 2, kMoves = 4, kWaitsForRoom = 8 };
  static std::string_view state_name(State state) noexcept;

  // session.cpp: frames
  std::size_t take(ByteView received);
  std::size_t take_greeting(ByteView received);
  std::size_t take_frame(ByteView received, const FrameSplit& split);
  std::size_t take_method(const Frame& frame, std::size_t frame_bytes, ByteView received);
  void take_connection_method(ByteView payload);
  template <class Method>
  void on(Channel& channel, const Method& method);
  void unreadable(ByteView received, std::string_view reason);
  void unparsed(Parsed parsed, std::uint32_t method_id);
  void pause(PauseReason reason);
  void resume(PauseReason reason);
  void finish_turn();

  Buffer& out() noexcept {
    wrote_ = true;
    return output_.tail();
  }
  template <class Method>
  void send(std::uint16_t channel, const Method& method) {
    encode(out(), channel, method);
  }

  // handshake.cpp
  void send_start();
  void on0(const connection::StartOk& method);
  void on0(const connection::SecureOk& method);
  void on0(const connection::TuneOk& method);
  void on0(const connection::Open& method);
  void on0(const connection::Close& method);
  void on0(const connection::CloseOk& method);
  void on0(const connection::UpdateSecret& method);
  template <class Method>
  void on0(const Method&) {
    unexpected_method();
  }
  void unexpected_method();
  void read_client_properties(TableView properties);
  bool plain_login(std::string_view response, broker::Credentials& login) const;
  static bool amqplain_login(std::string_view response, broker::Credentials& login);
  void authenticate(broker::Credentials login);
  bool knows_peer() const noexcept;
  void begin_scram(broker::ScramHash hash, std::string_view client_first);
  void finish_scram(std::string_view client_final);
  // Has `ask` ask the broker and waits for its answer, which `then` hears unless the session has ended.
  template <class T, class Ask>
  void wait_for_login(Ask ask, void (Session::*then)(result<T>));
  void scram_challenged(result<broker::ScramChallenge> challenge);
  void scram_succeeded(result<broker::ScramSuccess> success);
  void authenticated(result<broker::Subject> subject);
  void entered(result<broker::Subject> subject);
  void open(std::string_view vhost);
  void login_refused();

  // liveness.cpp
  void start_heartbeats(std::uint16_t seconds);
  void start_heartbeat_timer();
  void heartbeat_tick();
  void stop_timers();
  void tell_unblocked();

  // closing.cpp
  void refuse(Channel& channel, const Fault& fault, std::uint32_t method_id);
  void refuse(Channel& channel, ReplyCode code, std::string_view text) {
    refuse(channel, Fault{code, std::string(text)}, method_id_);
  }
  void fail_connection(ReplyCode code, std::string_view text, std::uint32_t method_id);
  void close_broker();
  void broker_closed();
  void end();
  void abandon(Channel& channel);
  void on(Channel& channel, const channel::Close& method);
  void release_number(Channel& channel);
  void channel_progress(Channel& channel);
  void sweep_channels();

  // channels.cpp
  Channel* find_channel(std::uint16_t number) noexcept {
    return number < by_number_.size() ? by_number_[number] : nullptr;
  }
  void open_channel(std::uint16_t number);
  void on(Channel& channel, const channel::Flow& method);
  void on(Channel& channel, const channel::FlowOk& method);
  void on(Channel& channel, const access::Request& method);
  void on(Channel& channel, const confirm::Select& method);

  // A completion for a call that later frames of the channel wait for: then(value) while the channel is open,
  // or the error as a refusal.
  template <class T, class Then>
  broker::Done<T> answer(Channel& channel, Then then, Call call = Call::other);
  static void count_call(Channel& channel, Call call, int change) noexcept;
  void answered(Channel& channel);

  // definitions.cpp
  // Whether the method may be worked on although earlier ones of its channel have no answer yet.
  bool may_follow(const Channel& channel, ByteView payload) const;
  void on(Channel& channel, const exchange::Declare& method);
  void on(Channel& channel, const exchange::Delete& method);
  void on(Channel& channel, const exchange::Bind& method);
  void on(Channel& channel, const exchange::Unbind& method);
  void on(Channel& channel, const queue::Declare& method);
  void on(Channel& channel, const queue::Bind& method);
  void on(Channel& channel, const queue::Unbind& method);
  void on(Channel& channel, const queue::Purge& method);
  void on(Channel& channel, const queue::Delete& method);
  bool read_arguments(TableView table, broker::Arguments& arguments);
  bool queue_name(Channel& channel, std::string_view given, std::string& name);

  // publishing.cpp
  bool may_publish_now(const basic::Publish& method);
  std::size_t on_publish(Channel& channel, const basic::Publish& method, ByteView rest);
  bool take_header(Channel& channel, ByteView payload);
  bool read_publish(Channel& channel, std::string_view exchange, std::string_view routing_key,
                    const ContentHeader& header, broker::Message::Fields& fields,
                    std::vector<std::string>& extra_keys);
  bool read_extra_keys(Channel& channel, const ContentHeader& header, std::vector<std::string>& extra_keys,
                       bool& has_bcc);
  bool edit_publish(Channel& channel, const ContentHeader& header, bool has_bcc, bool wants_reply,
                    broker::Message::Fields& fields);
  std::size_t take_body(ByteView received);
  void begin_body(Channel& channel, const broker::Message::Fields& fields, std::uint64_t bytes);
  bool append_body(Channel& channel, ByteView part);
  void body_complete(Channel& channel);
  void drop_incoming(Channel& channel);
  bool hold_room(std::uint64_t body_bytes);
  void count_body(std::uint64_t body_bytes, bool begins) noexcept;
  std::uint64_t room_needed() const noexcept {
    return long_body_bytes_ + (short_body_bytes_ > kOwnBodyBytes ? short_body_bytes_ - kOwnBodyBytes : 0);
  }
  // BodyBudget::Owner
  void on_body_room() override;
  void on_body_refused(const Error& why) override;
  bool is_read() const noexcept override { return paused_ == 0; }
  std::string_view peer() const noexcept override { return info_.peer; }
  void publish(Channel& channel, Ref<broker::Message> message, bool mandatory,
               const std::vector<std::string>& extra_keys);
  bool route(Channel& channel, Ref<broker::Message> message, bool mandatory,
             const std::vector<std::string>& extra_keys);
  void send_return(Channel& channel, const broker::Message& message);
  void confirm_later(Channel& channel);
  void flush_confirms();
  void flush_confirms(Channel& channel);

  // consuming.cpp
  void on(Channel& channel, const basic::Qos& method);
  void on(Channel& channel, const basic::Consume& method);
  void on(Channel& channel, const basic::Cancel& method);
  void on(Channel& channel, const basic::Get& method);
  Consumer* find_consumer(broker::ConsumerId id) noexcept {
    const std::uint64_t slot = id.value & kSlotMask;
    if (slot >= consumers_.size()) return nullptr;
    Consumer* consumer = consumers_[slot].get();
    return consumer != nullptr && consumer->id == id ? consumer : nullptr;
  }
  Consumer& add_consumer(Channel& channel, std::string tag);
  void remove_consumer(Consumer& consumer);
  void cancel_consumer(Consumer& consumer);
  std::string make_tag();
  void consumer_ready(Channel& channel, broker::ConsumerId id, const broker::QueueAddress& queue,
                      bool nowait);

  // delivering.cpp
  bool may_send(const Channel& channel, const Consumer& consumer) const noexcept {
    return consumer.ready &&
           (channel.channel_limit == 0 || consumer.no_ack || channel.channel_in_use < channel.channel_limit);
  }
  void deliver(Channel& channel, Consumer& consumer, const broker::Delivery& delivery);
  void send_got(Channel& channel, const broker::GotMessage& got, bool no_ack);
  template <class Method>
  void send_content(Channel& channel, const Method& method, const broker::Message& message,
                    ByteView properties);
  ByteView properties_of(const broker::Delivery& delivery);
  void release_held(Channel& channel);
  void requeue_held(Channel& channel, const Consumer* of);
  void look_at_credit(Consumer& consumer);
  void grant_credit();
  std::uint32_t credit_target(const Consumer& consumer) const noexcept;

  // settling.cpp
  void on(Channel& channel, const basic::Ack& method);
  void on(Channel& channel, const basic::Nack& method);
  void on(Channel& channel, const basic::Reject& method);
  void on(Channel& channel, const basic::Recover& method);
  void on(Channel& channel, const basic::RecoverAsync& method);
  void settle(Channel& channel, std::uint64_t tag, bool multiple, broker::Settlement how);
  bool recover(Channel& channel, bool requeue);
  void settle_entry(Channel& channel, const Unacked::Entry& entry, broker::Settlement how);
  void flush_settlements();
  void flush_source(Channel& channel, std::uint32_t index);
  std::uint32_t add_source(Channel& channel, const broker::QueueAddress& queue, broker::ConsumerId consumer);
  std::uint32_t got_source(Channel& channel, const broker::QueueAddress& queue);
  static void free_source_if_done(Channel& channel, std::uint32_t index);

  // transactions.cpp
  void on(Channel& channel, const tx::Select& method);
  void on(Channel& channel, const tx::Commit& method);
  void on(Channel& channel, const tx::Rollback& method);
  bool transactional(Channel& channel);
  void add_to_transaction(Channel& channel, Ref<broker::Message> message, bool mandatory,
                          const std::vector<std::string>& extra_keys);
  void commit_progress(Channel& channel);

  bool broker_usable() const noexcept { return connection_ != nullptr && !broker_closing_; }

  // Slots fit into the low bits of consumer ids and the high bits of publish tokens.
  static constexpr unsigned kSlotBits = 20;
  static constexpr std::uint64_t kSlotMask = (1u << kSlotBits) - 1;
  static constexpr unsigned kNumberBits = 64 - kSlotBits;

  broker::Gate* gate_;
  Transport& transport_;
  OutputQueue& output_;
  const SessionOptions& options_;
  broker::ConnectionInfo info_;
  std::unique_ptr<broker::Connection> connection_;

  State state_ = State::greeting;
  std::uint8_t paused_ = 0;  // of PauseReason
  bool in_turn_ = false;     // finish_turn will come
  bool wrote_ = false;
  bool disconnected_ = false;
  bool login_pending_ = false;
  bool secret_pending_ = false;
  bool asks_rights_ = false;  // the broker asks elsewhere what the user may do
  bool broker_closing_ = false;
  bool broker_closed_ = false;
  bool holds_publish_ = false;  // until publishers are let go on
  bool blocked_ = false;
  bool told_blocked_ = false;
  bool grants_waiting_ = false;  // for the output to drain

  // What the client can do.
  bool cancel_notify_ = false;
  bool blocked_notify_ = false;
  bool login_failure_close_ = false;

  std::uint32_t method_id_ = 0;  // being worked on
  std::uint32_t frame_max_ = kHandshakeFrameMax - kFrameOverhead;
  std::uint16_t channel_max_ = 0;
  std::uint64_t max_message_bytes_ = 0;
  std::uint64_t bytes_received_ = 0;
  std::int64_t now_ms_ = 0;  // wall clock of the turn
  std::string mechanism_;
  std::string challenged_user_;
  std::string wanted_vhost_;
  std::shared_ptr<broker::ScramLogin> scram_;
  std::optional<broker::Subject> scram_subject_;  // proved, and waits for the client to see our proof
  broker::Subject subject_;
  std::string blocked_reason_;

  // A body frame that is being taken as it comes.
  std::uint16_t part_channel_ = 0;
  bool in_part_ = false;
  std::uint32_t part_left_ = 0;

  // Of bodies that are not complete: those up to kOwnBodyBytes, and longer ones.
  std::uint64_t short_body_bytes_ = 0;
  std::uint64_t long_body_bytes_ = 0;
  broker::BodyBudget::Account body_room_;
  std::vector<Channel*> by_number_;
  std::vector<std::unique_ptr<Channel>> channels_;  // by slot
  std::uint32_t open_channels_ = 0;
  bool sweep_ = false;                                // a channel may be let go
  std::vector<std::unique_ptr<Consumer>> consumers_;  // by slot
  std::vector<std::uint32_t> free_consumers_;         // slots
  std::uint64_t consumer_serial_ = 0;

  std::vector<std::pair<Channel*, std::uint32_t>> dirty_sources_;
  std::vector<Channel*> dirty_confirms_;
  std::vector<broker::ConsumerId> dirty_credit_;
  std::vector<std::string_view> key_views_;
  Buffer scratch_;
  ContentHeader header_;  // of the publish being taken in: large, so not made anew each time

  TimerId close_timer_;  // handshake, then the peer's answer to connection.close
  TimerId heartbeat_timer_;
  std::uint16_t heartbeat_s_ = 0;
  std::uint32_t heartbeat_tick_ms_ = 0;
  unsigned silent_ticks_ = 0;
  unsigned quiet_ticks_ = 0;  // of our own
  bool heard_ = false;
  bool sent_ = false;
};

}  // namespace millrace::amqp091

#include "protocol/amqp091/session_answer.hpp"
