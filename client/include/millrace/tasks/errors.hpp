// What a task may throw to say how it ended, and what a caller is told.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "millrace/error.hpp"

namespace millrace::tasks {

// -- thrown by tasks. Any other exception is a failure, retried as the task's RetryPolicy says.

// Try again, after the pause given or that of the policy. Counts as one of the policy's retries.
class Retry : public std::runtime_error {
 public:
  explicit Retry(const std::string& why = "the task asked for it") : std::runtime_error(why) {}
  Retry(const std::string& why, std::chrono::milliseconds after) : std::runtime_error(why), after_(after) {}
  const std::optional<std::chrono::milliseconds>& after() const noexcept { return after_; }

 private:
  std::optional<std::chrono::milliseconds> after_;
};

// Never going to work: to the dead letters at once, whatever the policy says.
class Reject : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A failure with a type of its own for the caller, as `ValueError`: Python raises its own exception of that
// name.
class TaskError : public std::runtime_error {
 public:
  TaskError(std::string type, const std::string& text) : std::runtime_error(text), type_(std::move(type)) {}
  const std::string& type() const noexcept { return type_; }

 private:
  std::string type_;
};

// -- thrown by Context::check and Context::yield

class Cancelled : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The soft limit has passed: tidy up. What the task returns still counts.
class SoftTimeLimitExceeded : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// -- thrown by Result::get

// The task failed, or was revoked (type "TaskRevokedError").
class TaskFailed : public ClientError {
 public:
  TaskFailed(std::string type, const std::string& text, std::string traceback)
      : ClientError(ErrorKind::remote, type + ": " + text),
        type_(std::move(type)),
        text_(text),
        traceback_(std::move(traceback)) {}
  const std::string& type() const noexcept { return type_; }
  const std::string& text() const noexcept { return text_; }
  const std::string& traceback() const noexcept { return traceback_; }

 private:
  std::string type_;
  std::string text_;
  std::string traceback_;
};

}  // namespace millrace::tasks
