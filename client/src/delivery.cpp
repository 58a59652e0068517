#include "millrace/delivery.hpp"

#include <utility>

#include "base/assert.hpp"
#include "client/src/core.hpp"
#include "client/src/fields.hpp"
#include "client/src/received.hpp"

namespace millrace {

namespace client {

const std::string& Received::body() {
  if (!has_body && content.size() != properties_bytes) message.body = raw_body();
  has_body = true;
  return message.body;
}

Message& Received::whole_message() {
  (void)body();
  if (has_properties) return message;
  const bool well_formed = read_message_properties(raw_properties(), message);
  MILLRACE_ASSERT(well_formed, "properties that were checked when they came cannot be read");
  has_properties = true;
  return message;
}

void Received::settle(Settlement::How how) noexcept {
  const auto alive = core.lock();
  if (!alive) return;
  core.reset();
  settlement.how = how;
  alive->submit(settlement);
}

}  // namespace client

namespace {

// What a delivery of nothing shows.
Message& no_message() {
  thread_local Message none;
  return none = Message();
}

const std::string kNoText;

}  // namespace

Delivery::Delivery() noexcept = default;
Delivery::Delivery(std::unique_ptr<client::Received> received) noexcept : received_(std::move(received)) {}
Delivery::Delivery(Delivery&& other) noexcept = default;

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this == &other) return *this;
  requeue();
  received_ = std::move(other.received_);
  return *this;
}

Delivery::~Delivery() {
  requeue();
}

const Message& Delivery::message() const noexcept {
  return received_ ? received_->whole_message() : no_message();
}
Message& Delivery::message() noexcept {
  return received_ ? received_->whole_message() : no_message();
}
const std::string& Delivery::body() const noexcept {
  return received_ ? received_->body() : kNoText;
}
const std::string& Delivery::exchange() const noexcept {
  return received_ ? received_->exchange : kNoText;
}
const std::string& Delivery::routing_key() const noexcept {
  return received_ ? received_->routing_key : kNoText;
}
bool Delivery::redelivered() const noexcept {
  return received_ && received_->redelivered;
}

void Delivery::ack() noexcept {
  if (received_) received_->settle(client::Settlement::How::ack);
}
void Delivery::requeue() noexcept {
  if (received_) received_->settle(client::Settlement::How::requeue);
}
void Delivery::reject() noexcept {
  if (received_) received_->settle(client::Settlement::How::reject);
}

}  // namespace millrace
