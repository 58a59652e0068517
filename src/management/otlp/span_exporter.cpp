#include "management/otlp/span_exporter.hpp"

#include <algorithm>
#include <utility>

namespace millrace::management::otlp {
namespace {

bool is_passing(unsigned status) noexcept {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

SpanExporter::SpanExporter(runtime::Executor& home, runtime::Timers& timers, Post post, Resource resource,
                           std::string whither, std::uint64_t seed, Log log)
    : home_(home),
      timers_(timers),
      post_(std::move(post)),
      resource_(std::move(resource)),
      whither_(std::move(whither)),
      ids_(seed),
      log_(std::move(log)) {}

broker::SpanSink SpanExporter::sink() {
  return [this](std::vector<broker::TraceEvent>&& steps, std::uint64_t missed) {
    drop(missed);
    const std::uint64_t held = held_.fetch_add(steps.size(), std::memory_order_relaxed);
    if (held + steps.size() > kMaxWaiting) {
      held_.fetch_sub(steps.size(), std::memory_order_relaxed);
      return drop(steps.size());
    }
    home_.post([this, steps = std::move(steps)]() mutable { add(std::move(steps)); });
  };
}

SpanFigures SpanExporter::figures() const noexcept {
  return {sent_.load(std::memory_order_relaxed), dropped_.load(std::memory_order_relaxed)};
}

void SpanExporter::add(std::vector<broker::TraceEvent>&& steps) {
  for (broker::TraceEvent& step : steps) {
    if (auto span = span_of(std::move(step), ids_)) {
      waiting_.push_back(std::move(*span));
    } else {
      held_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  send_when_due();
}

void SpanExporter::send_when_due() {
  if (!batch_.empty() || waiting_.empty()) return;
  if (waiting_.size() >= kBatch) return send();
  if (std::exchange(timed_, true)) return;
  timers_.start(kLinger, [this] {
    timed_ = false;
    if (batch_.empty() && !waiting_.empty()) send();
  });
}

void SpanExporter::send() {
  if (batch_.empty()) {
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(kBatch, waiting_.size()));
    batch_.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
  }
  post_(request_text(batch_, resource_), [this](const result<net::HttpReply>& reply) { on_reply(reply); });
}

void SpanExporter::on_reply(const result<net::HttpReply>& reply) {
  const bool taken = reply && reply->status / 100 == 2;
  if (taken) {
    if (std::exchange(failing_, false))
      log_(broker::LogLevel::info, "spans are sent to " + whither_ + " again");
    back_off_ = kFirstBackOff;
    return finish_batch(rejected_spans(reply->body));
  }
  say_failing(reply ? "it answers with status " + std::to_string(reply->status) : reply.error().text);
  if (reply && !is_passing(reply->status)) return finish_batch(batch_.size());
  timers_.start(back_off_, [this] { send(); });
  back_off_ = std::min(back_off_ * 2, kMaxBackOff);
}

void SpanExporter::finish_batch(std::uint64_t rejected) {
  const std::uint64_t all = batch_.size();
  rejected = std::min(rejected, all);
  drop(rejected);
  sent_.fetch_add(all - rejected, std::memory_order_relaxed);
  held_.fetch_sub(all, std::memory_order_relaxed);
  batch_.clear();
  send_when_due();
}

void SpanExporter::say_failing(const std::string& why) {
  if (std::exchange(failing_, true)) return;
  log_(broker::LogLevel::warning, "spans cannot be sent to " + whither_ + ": " + why +
                                      "; they wait, and are dropped beyond " + std::to_string(kMaxWaiting));
}

}  // namespace millrace::management::otlp
