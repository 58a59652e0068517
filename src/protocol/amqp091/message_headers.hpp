// The properties that a consumer sees where they are not simply the publisher's.
#pragma once

#include "base/buffer.hpp"
#include "broker/connection.hpp"

namespace millrace::amqp091 {

// Appends the property block of the delivery: the publisher's (none, for messages of another origin), with
// x-death and its companions, x-delivery-count and the queue's stamps merged in.
void write_delivered_properties(Buffer& out, const broker::Delivery& delivery);

}  // namespace millrace::amqp091
