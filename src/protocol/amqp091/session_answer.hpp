// Templates of Session that several of its files use.
#pragma once

#include <utility>

#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

template <class T, class Then>
broker::Done<T> Session::answer(Channel& channel, Then then, Call call) {
  count_call(channel, call, 1);
  return [this, &channel, call, method_id = method_id_, then = std::move(then)](result<T> outcome) mutable {
    count_call(channel, call, -1);
    if (broker_closing_) return;
    if (!outcome.has_value()) {
      if (channel.open()) refuse(channel, fault_of(outcome.error()), method_id);
    } else if (channel.open()) {
      if constexpr (std::is_void_v<T>) {
        then();
      } else {
        then(std::move(*outcome));
      }
    }
    answered(channel);
  };
}

template <class Method>
void Session::send_content(Channel& channel, const Method& method, const broker::Message& message,
                           ByteView properties) {
  const ByteView body = message.body();
  if (body.size() < OutputQueue::kShareFromBytes) {
    write_message(out(), channel.number, method, properties, body, frame_max_);
  } else {
    write_message_header(out(), channel.number, method, properties, body.size());
    write_body(output_, channel.number, body, Ref<const RefCounted>(&message), frame_max_);
  }
}

}  // namespace millrace::amqp091
