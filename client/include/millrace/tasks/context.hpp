// What a running task knows of itself, and may say.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "millrace/tasks/call.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {

// Lives as long as the task runs; used by the task alone.
class Context {
 public:
  const CallData& call() const noexcept { return *call_; }
  const std::string& id() const noexcept { return call_->id; }
  std::int64_t retries() const noexcept { return retries_; }  // how often it was tried before
  // Delivered before, to a worker that died or was stopped: parts of it may be done already.
  bool redelivered() const noexcept { return redelivered_; }

  // It is to end soon: cancelled, over its soft limit, or the worker is stopping.
  virtual bool stop_requested() const noexcept = 0;
  // Throws Cancelled or SoftTimeLimitExceeded when that is so. The latter once: what follows is the task's
  // tidying up.
  virtual void check() = 0;
  // check(), and lets others run: on threads, a task that has had its time slice goes behind those that wait
  // (WorkerOptions::time_slice).
  virtual void yield() { check(); }

  // Tells the caller (Result::on_status) how far it is, between 0 and 1: state PROGRESS with {"progress":
  // ..., "detail": ...}.
  void progress(double fraction, const boost::json::value& detail = {}) {
    set_state("PROGRESS", boost::json::object{{"progress", fraction}, {"detail", detail}});
  }
  // A state of the task's own, as Celery's update_state.
  virtual void set_state(const std::string& name, const boost::json::value& value) = 0;

 protected:
  Context() = default;
  ~Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const CallData* call_ = nullptr;
  std::int64_t retries_ = 0;
  bool redelivered_ = false;
};

}  // namespace millrace::tasks
