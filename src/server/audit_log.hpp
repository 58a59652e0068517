// The audit log on disk: one JSON object a line, appended by one write, in a file that only its owner may
// read.
//
// A line is in the file when the event is told of; it is not synced. Thread: any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/descriptor.hpp"
#include "base/result.hpp"
#include "broker/audit.hpp"
#include "runtime/clock.hpp"

namespace millrace::server {

class AuditLog {
 public:
  // Appends to the file, which is made when there is none. `complain` hears when lines are lost, and when
  // they are not any more. Errors: io_error.
  static result<std::unique_ptr<AuditLog>> open(std::string path, const runtime::Clock& clock,
                                                std::function<void(const std::string&)> complain);
  void write(const broker::AuditEvent& event);
  // Opens the path anew, for whoever has moved the file away. An error keeps the one that is open.
  result<void> reopen();

 private:
  AuditLog(std::string path, const runtime::Clock& clock, std::function<void(const std::string&)> complain)
      : path_(std::move(path)), clock_(clock), complain_(std::move(complain)) {}

  std::string path_;
  const runtime::Clock& clock_;
  std::function<void(const std::string&)> complain_;
  Descriptor file_;  // keeps its number for as long as it lives
  std::atomic<bool> losing_{false};
};

}  // namespace millrace::server
