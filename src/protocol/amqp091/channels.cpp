// Opening channels, and the methods that concern a channel as a whole.
#include <algorithm>

#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

void Session::open_channel(std::uint16_t number) {
  if (channel_max_ != 0 && open_channels_ >= channel_max_) {
    return fail_connection(ReplyCode::not_allowed,
                           "number of channels opened (" + std::to_string(open_channels_) +
                               ") has reached the negotiated channel_max (" + std::to_string(channel_max_) +
                               ")",
                           method_id_);
  }
  if (auto taken = connection_->take_channel(); taken.has_error()) {
    const Fault fault = fault_of(taken.error());
    return fail_connection(fault.code, fault.text, method_id_);
  }
  const auto free = std::find(channels_.begin(), channels_.end(), nullptr);
  const auto slot = static_cast<std::uint32_t>(free - channels_.begin());
  MILLRACE_ASSERT(slot <= kSlotMask, "channels that are gone are bounded by unsettled confirms");
  if (free == channels_.end()) channels_.emplace_back();
  if (number >= by_number_.size()) by_number_.resize(std::size_t{number} + 1);
  channels_[slot] = std::make_unique<Channel>();
  Channel& channel = *channels_[slot];
  channel.number = number;
  channel.slot = slot;
  by_number_[number] = &channel;
  ++open_channels_;
  send(number, channel::OpenOk{});
}

void Session::on(Channel& channel, const channel::Flow& method) {
  if (!method.active) return refuse(channel, ReplyCode::not_implemented, "active=false");
  send(channel.number, channel::FlowOk{true});
}

void Session::on(Channel&, const channel::FlowOk&) {}

// Of AMQP 0-8; clients of that time still ask, and any ticket will do.
void Session::on(Channel& channel, const access::Request&) {
  send(channel.number, access::RequestOk{1});
}

void Session::on(Channel& channel, const confirm::Select& method) {
  if (channel.mode == Channel::Mode::tx) {
    return refuse(channel, ReplyCode::precondition_failed, "cannot switch from tx to confirm mode");
  }
  channel.mode = Channel::Mode::confirm;
  if (!method.nowait) send(channel.number, confirm::SelectOk{});
}

void Session::answered(Channel& channel) {
  channel_progress(channel);
  resume(kWaitsForBroker);
  if (!in_turn_) finish_turn();
}

}  // namespace millrace::amqp091
