// Looking after tasks from outside: asking workers, and going through dead letters.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "millrace/client.hpp"

namespace millrace::tasks {

// Asks all workers that are connected, of this library and Celery's alike (Celery's remote control): "ping",
// "active", "reserved", "query_task", "stats", "shutdown" ... Returns their answers by the workers' names;
// waits for them that long, since nobody knows how many there are. Throws a ClientError.
boost::json::object ask_workers(Client& client, const std::string& method,
                                const boost::json::object& arguments = {},
                                std::chrono::milliseconds time = std::chrono::seconds(1));

// Makes workers drop a call, and, `running_too`, stop it. Workers that come later do not know of it. The id
// may be a Dag's as well.
void cancel_task(Client& client, const std::string& id, bool running_too = true);

// A call that could not be done.
struct DeadCall {
  std::string id;  // empty: it could not be read
  std::string task;
  std::string
      reason;  // undecodable, unknown_task, bad_arguments, rejected, failed, time_limit, process_died ...
  std::string text;
  std::string time;  // ISO 8601
  std::string arguments;
};

// The dead letters of a queue, oldest first; they stay where they are.
std::vector<DeadCall> dead_calls(Client& client, const std::string& queue, std::size_t most = 1000);

// Gives dead letters another life: with all their attempts, and without times that have passed. Those of
// these ids, or all without any. Each is in one of the queues, or for a moment in both. Returns how many.
std::size_t retry_dead_calls(Client& client, const std::string& queue,
                             const std::vector<std::string>& ids = {});

// Its times pass without a call until it goes on. Throws not_found for a schedule that is not there.
void pause_schedule(Client& client, const std::string& name, bool pause = true);

}  // namespace millrace::tasks
