// The child's side of a process pool: this program again, which serves tasks instead of doing what it does.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "millrace/tasks/worker.hpp"

namespace millrace::tasks {

// The variable by which a child knows that it is one, and the descriptor of its channel.
inline constexpr const char* kChildVariable = "MILLRACE_TASK_CHILD";
inline constexpr int kChildDescriptor = 3;

// The channel, in a child.
std::optional<int> child_channel();

// Until the worker closes the channel; ends the process.
[[noreturn]] void serve_as_child(int channel,
                                 const std::map<std::string, detail::Registration, std::less<>>& tasks);

}  // namespace millrace::tasks
