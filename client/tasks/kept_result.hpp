// Results that others than the producer may ask for. Each has a durable queue of its own,
// `millrace.result.ID`, which holds it as its one message and goes when nobody has used it for the time that
// was asked for (x-expires). The producer declares it before it submits the call, so that who asks can tell a
// call that is still to end from one that is unknown; the worker declares it again, which begins that time
// anew, and tells those who wait (results_exchange.hpp).
#pragma once

#include <memory>
#include <string>

#include "client/tasks/results_exchange.hpp"
#include "client/tasks/steps.hpp"
#include "client/tasks/task_message.hpp"
#include "millrace/client.hpp"
#include "millrace/tasks/result.hpp"

namespace millrace::tasks {

inline bool is_kept(const CallData& call) noexcept {
  return call.keep_result_for.count() > 0;
}

std::string kept_result_queue_name(const std::string& id);
// `time` is brought within what CallData::keep_result_for says.
QueueSpec kept_result_queue(const std::string& id, Milliseconds time);

// The largest that is kept: no message may be larger where nothing else was configured, neither at Millrace
// nor at RabbitMQ.
inline constexpr std::size_t kKeptBytesMax = 16U << 20U;

// How the call ended, as the message of its queue; in place of one above kKeptBytesMax a failure
// `ResultTooLarge`.
Message kept_result(const Request& request, const Status& status, const boost::json::array& children);

// Declares it; one that is there, and was declared for another time, is left as it is. Calls `then` on the
// executor.
void declare_kept_result(Client& client, const Executor& executor, QueueSpec queue, Then then);
// Declares the queue, then publishes; calls `then` on the client's executor when the broker has confirmed it,
// and those who wait are told.
void keep_result(Client& client, const std::shared_ptr<ResultsExchange>& exchange, const std::string& id,
                 Milliseconds time, Message message, Then then);

}  // namespace millrace::tasks
