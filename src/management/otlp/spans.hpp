// Steps of messages as spans of OpenTelemetry, and spans as an ExportTraceServiceRequest of OTLP 1.x in its
// JSON encoding (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), with the attributes that
// the semantic conventions for messaging name, and millrace.… for what they do not. Pure.
//
//   publish EXCHANGE   a message came to its exchange; also a dead letter
//   deliver QUEUE      its wait in the queue: from its arrival, or return, until a consumer was given it
//   process QUEUE      from then until the consumer acknowledged, rejected or returned it
//   discard QUEUE      it was refused, expired, had to make room, or was delivered too often
//
// Each is a child of the span that the message's traceparent names, and of kind INTERNAL: programs that draw
// maps of services count the publisher's and the consumer's own spans as the two ends.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/prng.hpp"
#include "broker/trace.hpp"

namespace millrace::management::otlp {

struct Span {
  using Value = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;

  std::string trace_id;
  std::string span_id;
  std::string parent_id;
  std::string trace_state;
  std::string name;
  std::int64_t begin_us = 0;  // since the Unix epoch
  std::int64_t end_us = 0;
  bool failed = false;
  std::vector<std::pair<std::string_view, Value>> attributes;  // empty texts are left out
};

// None: the step begins something, and ends nothing. `ids`: from where its number comes.
std::optional<Span> span_of(broker::TraceEvent&& step, Prng& ids);

struct Resource {
  std::string version;    // of the broker
  std::string node_name;  // service.instance.id
};

std::string request_text(std::span<const Span> spans, const Resource& resource);

// Of the answer to one: how many of them the collector did not take (ExportTracePartialSuccess).
std::uint64_t rejected_spans(std::string_view answer);

}  // namespace millrace::management::otlp
