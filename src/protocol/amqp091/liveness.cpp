// Heartbeats (AMQP 0-9-1 §4.2.7), publishers held back by alarms, moves between shards, and the socket's
// end.
#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

namespace {
constexpr unsigned kTicksPerInterval = 4;
// A peer silent for two intervals is taken for dead.
constexpr unsigned kSilentTicksMax = 2 * kTicksPerInterval;
// So that the peer hears something within three quarters of the interval, whenever the last output was:
// RabbitMQ's Java client, over Netty, waits for one interval and no longer.
constexpr unsigned kQuietTicksMax = kTicksPerInterval / 2;
}  // namespace

void Session::start_heartbeats(std::uint16_t seconds) {
  heartbeat_s_ = seconds;
  heartbeat_tick_ms_ = std::uint32_t{seconds} * 1000 / kTicksPerInterval;
  if (heartbeat_tick_ms_ != 0) start_heartbeat_timer();
}

void Session::start_heartbeat_timer() {
  heartbeat_timer_ = transport_.start_timer(heartbeat_tick_ms_, [this] { heartbeat_tick(); });
}

void Session::heartbeat_tick() {
  heartbeat_timer_ = {};
  if (state_ == State::ended) return;
  // While reading is paused the peer cannot be heard.
  silent_ticks_ = heard_ || paused_ != 0 ? 0 : silent_ticks_ + 1;
  heard_ = false;
  if (silent_ticks_ >= kSilentTicksMax) {
    state_ = State::ended;
    return transport_.close_now();
  }
  quiet_ticks_ = sent_ ? 0 : quiet_ticks_ + 1;
  if (quiet_ticks_ == kQuietTicksMax) {
    quiet_ticks_ = 0;
    constexpr std::uint8_t kHeartbeat[] = {8, 0, 0, 0, 0, 0, 0, kFrameEnd};
    output_.tail().append(ByteView{kHeartbeat});
    transport_.want_flush();
  }
  sent_ = false;
  start_heartbeat_timer();
}

void Session::stop_timers() {
  transport_.cancel_timer(close_timer_);
  transport_.cancel_timer(heartbeat_timer_);
  close_timer_ = heartbeat_timer_ = {};
}

// A connection that publishes under an alarm is not read from there on. Until then it is, whatever it did
// before: its acknowledgements and requests make room. Without a reason it is over in a moment: the client
// need not know. As RabbitMQ 3.10.8 does it.
void Session::on_blocked(std::string_view reason) {
  if (broker_closing_) return;
  blocked_ = true;
  if (reason.data() != blocked_reason_.data()) blocked_reason_ = reason;
  if (!holds_publish_) return;
  pause(kBlockedByAlarm);
  if (blocked_reason_.empty()) return tell_unblocked();
  if (!blocked_notify_ || told_blocked_) return;
  told_blocked_ = true;
  send(0, connection::Blocked{blocked_reason_});
}

void Session::tell_unblocked() {
  if (told_blocked_) send(0, connection::Unblocked{});
  told_blocked_ = false;
}

void Session::on_unblocked() {
  blocked_ = false;
  holds_publish_ = false;
  if (broker_closing_) return;
  tell_unblocked();
  resume(kBlockedByAlarm);
}

// Only at rest: whatever is under way would have to be told of the move. The broker suggests it again.
void Session::on_move_suggested(broker::ShardId to) {
  if (state_ != State::running || paused_ != 0 || in_turn_ || secret_pending_ || !broker_usable()) return;
  if (!body_room_.idle()) return;  // it is this shard's
  const bool leaves = connection_->leave_for(to, [this, to] {
    stop_timers();
    transport_.move_to(to);
  });
  if (leaves) pause(kMoves);
}

void Session::on_moved(broker::Gate& gate) {
  gate_ = &gate;
  body_room_.move_to(gate.body_budget());
  if (heartbeat_tick_ms_ != 0) start_heartbeat_timer();
  connection_->arrive();
  resume(kMoves);
  finish_turn();
}

void Session::on_disconnected() {
  disconnected_ = true;
  state_ = State::ended;
  stop_timers();
  if (login_pending_) return;  // its answer ends the session
  if (connection_ == nullptr || broker_closed_) return transport_.session_done();
  close_broker();
}

}  // namespace millrace::amqp091
