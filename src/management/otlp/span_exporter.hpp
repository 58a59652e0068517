// Sends spans of messages to a collector, in batches, by OTLP over HTTP.
//
// Nobody ever waits for the collector: what comes while kMaxWaiting spans wait is counted and dropped. One
// request is under way at a time. A batch that was not taken for a reason that passes (no reply, 429, 502,
// 503, 504: OTLP §Failures) is sent again, after 1 s, then twice as long each time up to kMaxBackOff; one
// that the collector refuses is dropped. What has not been sent when the broker stops is lost.
//
// Thread: `home`'s, but for the sink and figures().
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "broker/node.hpp"
#include "broker/trace.hpp"
#include "management/otlp/span_figures.hpp"
#include "management/otlp/spans.hpp"
#include "net/http_client.hpp"
#include "runtime/executor.hpp"

namespace millrace::management::otlp {

class SpanExporter {
 public:
  static constexpr std::size_t kMaxWaiting = 16'384;      // spans, and steps on their way to become some
  static constexpr std::size_t kBatch = 512;              // spans of one request
  static constexpr runtime::Milliseconds kLinger{1'000};  // a batch that is not full goes after so long
  static constexpr runtime::Milliseconds kTimeout{10'000};
  static constexpr runtime::Milliseconds kFirstBackOff{1'000};
  static constexpr runtime::Milliseconds kMaxBackOff{30'000};

  // Sends the text; completes on `home`.
  using Post = std::function<void(std::string text, net::HttpClient::Done done)>;
  using Log = std::function<void(broker::LogLevel, std::string_view)>;

  // `whither` is for people.
  SpanExporter(runtime::Executor& home, runtime::Timers& timers, Post post, Resource resource,
               std::string whither, std::uint64_t seed, Log log);

  // For NodeOptions::spans; must not be called once this is gone.
  broker::SpanSink sink();
  // Any thread.
  SpanFigures figures() const noexcept;

 private:
  void add(std::vector<broker::TraceEvent>&& steps);
  void drop(std::uint64_t spans) noexcept { dropped_.fetch_add(spans, std::memory_order_relaxed); }
  void send_when_due();
  void send();
  void on_reply(const result<net::HttpReply>& reply);
  void finish_batch(std::uint64_t rejected);
  void say_failing(const std::string& why);

  runtime::Executor& home_;
  runtime::Timers& timers_;
  Post post_;
  Resource resource_;
  std::string whither_;
  Prng ids_;
  Log log_;
  std::deque<Span> waiting_;
  std::vector<Span> batch_;  // under way, or to be sent again
  bool timed_ = false;       // a timer will send what waits
  bool failing_ = false;
  runtime::Milliseconds back_off_ = kFirstBackOff;
  // Any thread.
  std::atomic<std::uint64_t> held_{0};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace millrace::management::otlp
