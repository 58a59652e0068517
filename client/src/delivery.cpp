#include "millrace/delivery.hpp"

#include <utility>

#include "client/src/core.hpp"
#include "client/src/settlement.hpp"

namespace millrace {

Delivery::Delivery(Delivery&& other) noexcept
    : message_(std::move(other.message_)),
      exchange_(std::move(other.exchange_)),
      routing_key_(std::move(other.routing_key_)),
      has_message_(std::exchange(other.has_message_, false)),
      redelivered_(other.redelivered_),
      core_(std::move(other.core_)),
      channel_(other.channel_),
      epoch_(other.epoch_),
      tag_(other.tag_) {
  other.core_.reset();
}

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this == &other) return *this;
  requeue();
  message_ = std::move(other.message_);
  exchange_ = std::move(other.exchange_);
  routing_key_ = std::move(other.routing_key_);
  has_message_ = std::exchange(other.has_message_, false);
  redelivered_ = other.redelivered_;
  core_ = std::move(other.core_);
  other.core_.reset();
  channel_ = other.channel_;
  epoch_ = other.epoch_;
  tag_ = other.tag_;
  return *this;
}

Delivery::~Delivery() {
  requeue();
}

void Delivery::ack() noexcept {
  settle(Settle::ack);
}
void Delivery::requeue() noexcept {
  settle(Settle::requeue);
}
void Delivery::reject() noexcept {
  settle(Settle::reject);
}

void Delivery::settle(Settle how) noexcept {
  const auto core = core_.lock();
  if (!core) return;
  core_.reset();
  client::Settlement settlement;
  settlement.channel = channel_;
  settlement.epoch = epoch_;
  settlement.tag = tag_;
  switch (how) {
    case Settle::ack:
      settlement.how = client::Settlement::How::ack;
      break;
    case Settle::requeue:
      settlement.how = client::Settlement::How::requeue;
      break;
    case Settle::reject:
      settlement.how = client::Settlement::How::reject;
      break;
  }
  core->submit(settlement);
}

}  // namespace millrace
