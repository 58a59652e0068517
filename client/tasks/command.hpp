// What carries out a task that is a Command.
#pragma once

#include "millrace/tasks/command.hpp"
#include "millrace/tasks/function.hpp"

namespace millrace::tasks {

// Runs the program and returns its result; blocks until it has ended. Throws TaskError "CommandFailed" when
// it failed, BadArguments for a call that it cannot be started for, and what Context::check throws when it
// ended because it was to stop.
boost::json::value run_command(const Command& command, Context& context, const CallData& call);

}  // namespace millrace::tasks
