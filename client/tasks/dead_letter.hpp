// Calls that could not be done, as messages of the queue NAME.dead: what they were, with the reason in
// headers.
#pragma once

#include <string>

#include "client/tasks/outcome.hpp"
#include "millrace/message.hpp"

namespace millrace::tasks {

inline constexpr const char* kDeadReason =
    "millrace-dead-reason";  // undecodable, unknown_task, bad_arguments ...
inline constexpr const char* kDeadText = "millrace-dead-text";    // for people
inline constexpr const char* kDeadQueue = "millrace-dead-queue";  // where it came from
inline constexpr const char* kDeadTime = "millrace-dead-time";

Message dead_letter(Message message, const std::string& queue, const std::string& reason,
                    const std::string& text);
// Without the headers that say so.
void forget_death(Message& message);
std::string reason_of(const Outcome& outcome);
// As it was before its first attempt: without a reason, retries, and times that have passed.
Message revived(Message message);

}  // namespace millrace::tasks
