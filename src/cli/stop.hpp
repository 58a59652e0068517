// How a command ends before it is done: an exit status, and one text that says what is wrong and what to do.
//
// Thrown by whatever finds out, caught once, where the program ends. A command line has nobody in between who
// could go on.
#pragma once

#include <string>
#include <utility>

namespace millrace::cli {

enum ExitStatus : int {
  kOk = 0,
  kRefused = 1,      // the broker said no, or a check failed
  kBadUse = 2,       // what was typed cannot be meant
  kUnreachable = 3,  // there is no broker where it was looked for
};

class Stop {
 public:
  Stop(int status, std::string text, unsigned http_status = 0)
      : status_(status), http_status_(http_status), text_(std::move(text)) {}
  int status() const noexcept { return status_; }
  const std::string& text() const noexcept { return text_; }
  // What the API answered, 0 when it did not: tells a missing object (404) from other refusals.
  unsigned http_status() const noexcept { return http_status_; }

 private:
  int status_;
  unsigned http_status_;
  std::string text_;
};

}  // namespace millrace::cli
