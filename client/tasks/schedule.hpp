// Schedules that the broker holds. A schedule NAME is a durable queue `millrace.schedule.NAME` with one
// message, its definition, and one call under way: the tick, which the delayed exchange holds until its time.
// Whichever worker gets the tick submits the scheduled call and the next tick, both unique by name and time,
// and acknowledges. Without the definition, or with a newer one, a tick is the last; where the definition
// says "paused": true, it submits the next tick alone.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <string>

#include "client/tasks/task_message.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

// The task of a tick; every worker knows it.
inline constexpr const char* kTickTask = "millrace.schedule.tick";

QueueSpec schedule_queue(const std::string& name);
// Of the schedule as it is from now on: its definition, which is also what each tick carries.
boost::json::object make_plan(const std::string& name, const std::string& cron, const CallData& call);
// The first tick after `time`. Throws std::invalid_argument for a schedule that has none.
CallData tick_call(const boost::json::object& plan, std::chrono::system_clock::time_point time,
                   const std::string& queue);

// What the task of a tick does.
void tick(Client& client, const CallData& call, const std::string& queue, const std::string& origin);

}  // namespace millrace::tasks
