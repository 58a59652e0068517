// What is seen of the messages that go through a shard, for those who trace some of them and for vhosts whose
// every message is to be copied to amq.rabbitmq.trace (RabbitMQ's firehose), and for who makes spans of those
// whose publishers record a trace. A shard has one while somebody looks, and none otherwise.
//
// Bounded: what a turn brings beyond kMaxEvents, or kMaxCopies, is counted, and not seen.
//
// Thread: the shard's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/trace.hpp"

namespace millrace::broker {

inline constexpr std::string_view kTraceExchange = "amq.rabbitmq.trace";

class Tap {
 public:
  static constexpr std::size_t kMaxEvents = 4096;
  static constexpr std::size_t kMaxCopies = 16384;

  struct Seen {
    std::vector<std::pair<std::uint64_t, TraceEvent>> events;  // with the watch that wants it
    std::uint64_t missed = 0;
  };
  using Sink = std::function<void(Seen&&)>;
  // For amq.rabbitmq.trace.
  struct Copy {
    std::string vhost;
    std::string routing_key;  // publish.<exchange>, deliver.<queue>
    Arguments headers;
    MessageRef message;  // of which the body is copied
  };

  explicit Tap(Sink sink) : sink_(std::move(sink)) {}

  void watch(std::uint64_t id, TraceFilter filter);
  void unwatch(std::uint64_t id);
  void copy_all(std::string_view vhost, bool on);
  void tell_spans(SpanSink sink) { spans_ = std::move(sink); }
  bool idle() const noexcept { return watches_.empty() && copied_.empty() && !spans_; }
  bool copies(std::string_view vhost) const noexcept;

  // Asks for the event if it is wanted; `at_us` since the epoch.
  template <class Make>
  void see(std::string_view vhost, const Message& message, const MessageFormat& format, Make make) {
    if (message.exchange() == kTraceExchange) return;
    for (const auto& [id, filter] : watches_) {
      if (!filter.wants(vhost, message, format)) continue;
      if (seen_.events.size() == kMaxEvents) {
        ++seen_.missed;
        continue;
      }
      TraceEvent event = make();
      describe(event, vhost, message, format);
      seen_.events.emplace_back(id, std::move(event));
    }
    if (spans_) see_for_span(vhost, message, format, make);
  }
  void copy(Copy copy) {
    if (copies_.size() < kMaxCopies) copies_.push_back(std::move(copy));
  }
  std::vector<Copy> take_copies() { return std::exchange(copies_, {}); }
  // The turn's end: what was seen goes to who wants it.
  void flush();

 private:
  template <class Make>
  void see_for_span(std::string_view vhost, const Message& message, const MessageFormat& format, Make& make) {
    std::optional<std::string> parent = sampled_parent(message, format);
    if (!parent) return;
    if (steps_.size() == kMaxEvents) {
      ++steps_missed_;
      return;
    }
    TraceEvent event = make();
    describe(event, vhost, message, format);
    event.trace_parent = std::move(*parent);
    event.trace_state = trace_state(message, format);
    steps_.push_back(std::move(event));
  }
  static std::optional<std::string> sampled_parent(const Message& message, const MessageFormat& format);
  static std::string trace_state(const Message& message, const MessageFormat& format);
  static void describe(TraceEvent& event, std::string_view vhost, const Message& message,
                       const MessageFormat& format);

  Sink sink_;
  std::vector<std::pair<std::uint64_t, TraceFilter>> watches_;
  std::vector<std::string> copied_;  // vhosts
  Seen seen_;
  std::vector<Copy> copies_;
  SpanSink spans_;
  std::vector<TraceEvent> steps_;  // for it
  std::uint64_t steps_missed_ = 0;
};

}  // namespace millrace::broker
