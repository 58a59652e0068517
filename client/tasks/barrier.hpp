// How the results of a chord's group are collected: in a durable queue of the chord's own. Whoever puts in
// the one that makes it complete submits a task that takes them all out and calls the last one. That task is
// a call like others: if its worker dies, another one does it.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "client/tasks/task_message.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

// The task that joins a chord; every worker knows it.
inline constexpr const char* kJoinTask = "millrace.chord.join";

QueueSpec barrier_queue(const std::string& id);
// CallData::barrier of each call of the group.
boost::json::value make_barrier(const std::string& id, std::size_t size, const CallData& last,
                                const std::string& reply_to);

struct Barrier {
  std::string id;
  std::string queue;
  std::size_t size = 0;
  boost::json::object last;  // signature
  std::string reply_to;
};
// Throws for what is none.
Barrier read_barrier(const boost::json::value& value);

// A result on its way to the queue.
Message arrival(std::int64_t index, const boost::json::value& result);
// The call that joins: once for each chord, whoever submits it.
CallData join_call(const boost::json::value& barrier, const std::string& queue);

// What the join task does. Returns the id of the last call; throws Retry when results are missing, which then
// are still to come.
std::string join(Client& client, const boost::json::value& barrier, const std::string& queue,
                 const std::string& origin);

}  // namespace millrace::tasks
