// W3C Trace Context between HTTP and messages: the headers "traceparent" and "tracestate" of a request that
// publishes become headers of the same names of its messages, where AMQP clients look for them, and go back
// as headers of the answer that brings a message. The same of CloudEvents' extension for distributed tracing.
// Pure.
#pragma once

#include "broker/message.hpp"
#include "management/call.hpp"

namespace millrace::management {

// A context that the message has stays. One that is malformed is not there (W3C Trace Context §4.3), and so
// is a state without a parent, or one of more than broker::kMaxTraceStateBytes.
void take_trace_headers(const Headers& headers, broker::MessageProperties& properties);
// That of a message which is a CloudEvent and has none of its own: the event's.
void take_trace_of_event(broker::MessageProperties& properties);
void put_trace_headers(Headers& headers, const broker::MessageProperties& properties);
// The message's; null when it has none, or one that is malformed.
const std::string* trace_parent_of(const broker::MessageProperties& properties);
const std::string* trace_state_of(const broker::MessageProperties& properties);

}  // namespace millrace::management
