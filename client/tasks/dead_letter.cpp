#include "client/tasks/dead_letter.hpp"

#include <chrono>
#include <utility>

#include "client/tasks/outgoing.hpp"
#include "client/tasks/task_message.hpp"
#include "client/tasks/time_text.hpp"

namespace millrace::tasks {
namespace {

constexpr std::size_t kLongestText = 2000;

}  // namespace

Message dead_letter(Message message, const std::string& queue, const std::string& reason,
                    const std::string& text) {
  forget_its_way(message);
  message.headers[kDeadReason] = reason;
  message.headers[kDeadText] = text.substr(0, kLongestText);
  message.headers[kDeadQueue] = queue;
  message.headers[kDeadTime] = to_text(std::chrono::system_clock::now());
  return message;
}

std::string reason_of(const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::bad_arguments:
      return "bad_arguments";
    case Outcome::Kind::reject:
      return "rejected";
    case Outcome::Kind::success:
    case Outcome::Kind::cancelled:
    case Outcome::Kind::failure:
    case Outcome::Kind::retry:
      break;
  }
  if (outcome.type == "TimeLimitExceeded") return "time_limit";
  return outcome.process_died ? "process_died" : "failed";
}

void forget_death(Message& message) {
  for (const char* header : {kDeadReason, kDeadText, kDeadQueue, kDeadTime}) message.headers.erase(header);
}

Message revived(Message message) {
  forget_death(message);
  for (const char* header : {kDeaths, "eta", "expires"}) message.headers.erase(header);
  message.headers["retries"] = 0;
  message.message_id.clear();
  message.persistent = true;
  return message;
}

}  // namespace millrace::tasks
