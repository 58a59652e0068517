// How channels and connections end: by the client, by a refusal, by the broker (AMQP 0-9-1 §2.2.4, §4.10).
#include <algorithm>

#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

void Session::refuse(Channel& channel, const Fault& fault, std::uint32_t method_id) {
  if (is_hard(fault.code)) return fail_connection(fault.code, fault.text, method_id);
  if (!channel.open()) return;
  flush_settlements();
  flush_confirms(channel);  // what came before the failure was done
  const std::string text = reply_text(fault.code, fault.text);
  send(channel.number,
       channel::Close{static_cast<std::uint16_t>(fault.code), text,
                      static_cast<std::uint16_t>(method_id >> 16), static_cast<std::uint16_t>(method_id)});
  channel.state = Channel::State::failed;
  abandon(channel);
}

void Session::on(Channel& channel, const channel::Close&) {
  flush_confirms(channel);
  channel.state = Channel::State::closing;
  abandon(channel);
  channel_progress(channel);
}

// Gives back all that the channel holds of the broker.
void Session::abandon(Channel& channel) {
  drop_incoming(channel);
  if (channel.tx != nullptr) {
    for (const TxSettlement& settlement : channel.tx->settlements) {
      settle_entry(channel, settlement.entry, broker::Settlement::requeue);
    }
    channel.tx.reset();
  }
  requeue_held(channel, nullptr);
  channel.unacked.take_all(
      [&](const Unacked::Entry& entry) { settle_entry(channel, entry, broker::Settlement::requeue); });
  flush_settlements();
  // Cancelling may finish at once and take consumers off the list.
  const std::vector<Consumer*> consumers = channel.consumers;
  for (Consumer* consumer : consumers) {
    if (!consumer->cancelling) cancel_consumer(*consumer);
  }
  channel_progress(channel);
}

void Session::cancel_consumer(Consumer& consumer) {
  consumer.cancelling = true;
  ++consumer.channel->pending;
  connection_->cancel(consumer.id, [this, id = consumer.id, channel = consumer.channel](result<void>) {
    --channel->pending;
    if (broker_closing_) return;
    if (Consumer* gone = find_consumer(id)) remove_consumer(*gone);
    channel_progress(*channel);
    answered(*channel);
  });
}

// Lets a channel that is closing answer, and one that is gone go.
void Session::channel_progress(Channel& channel) {
  if (channel.pending != 0 || !channel.consumers.empty()) return;
  if (channel.state == Channel::State::closing) {
    send(channel.number, channel::CloseOk{});
    release_number(channel);
  }
  if (channel.state == Channel::State::gone) sweep_ = true;
}

void Session::release_number(Channel& channel) {
  by_number_[channel.number] = nullptr;
  --open_channels_;
  connection_->give_back_channel();
  channel.state = Channel::State::gone;
  sweep_ = true;
}

// A slot is used again only when nothing of the broker's can refer to it.
void Session::sweep_channels() {
  sweep_ = false;
  for (std::unique_ptr<Channel>& channel : channels_) {
    if (channel == nullptr || channel->state != Channel::State::gone) continue;
    if (channel->pending != 0 || !channel->consumers.empty() || !channel->confirms.all_settled()) continue;
    std::erase(dirty_confirms_, channel.get());
    channel.reset();
  }
}

void Session::fail_connection(ReplyCode code, std::string_view text, std::uint32_t method_id) {
  if (state_ == State::failed || state_ == State::ended || state_ == State::closing) return;
  if (broker_usable()) {
    flush_settlements();
    flush_confirms();
  }
  send(0,
       connection::Close{static_cast<std::uint16_t>(code), reply_text(code, text),
                         static_cast<std::uint16_t>(method_id >> 16), static_cast<std::uint16_t>(method_id)});
  state_ = State::failed;
  transport_.cancel_timer(close_timer_);
  close_timer_ = transport_.start_timer(options_.close_timeout_ms, [this] {
    close_timer_ = {};
    state_ = State::ended;
    transport_.close_now();
  });
  close_broker();
  resume(kWaitsForBroker);
  resume(kMoves);
  resume(kBlockedByAlarm);  // close-ok must be read
  resume(kWaitsForRoom);
}

void Session::on_close_requested(const Error& why) {
  const ReplyCode code =
      why.code == Errc::shutting_down ? ReplyCode::connection_forced : reply_code(why.code);
  fail_connection(code, why.text, 0);
  if (!in_turn_) finish_turn();
}

void Session::on0(const connection::Close&) {
  if (state_ == State::failed || connection_ == nullptr) {
    send(0, connection::CloseOk{});
    return end();
  }
  if (state_ != State::running) return;
  flush_confirms();
  state_ = State::closing;
  close_broker();
  if (!broker_closed_) pause(kWaitsForBroker);
}

void Session::on0(const connection::CloseOk&) {
  if (state_ != State::failed) return unexpected_method();
  end();
}

void Session::close_broker() {
  if (connection_ == nullptr || broker_closing_) return;
  broker_closing_ = true;
  for (Channel* channel : by_number_) {
    if (channel != nullptr) drop_incoming(*channel);
  }
  dirty_sources_.clear();
  dirty_confirms_.clear();
  dirty_credit_.clear();
  connection_->close([this](result<void>) { broker_closed(); });
}

void Session::broker_closed() {
  broker_closed_ = true;
  if (disconnected_) return transport_.session_done();
  if (state_ != State::closing) return;
  send(0, connection::CloseOk{});
  end();
  if (!in_turn_) finish_turn();
}

void Session::end() {
  state_ = State::ended;
  stop_timers();
  wrote_ = false;  // close_after_flush sends it
  transport_.close_after_flush();
  // Whatever ended it, the broker must let go even if the socket lingers.
  close_broker();
}

}  // namespace millrace::amqp091
