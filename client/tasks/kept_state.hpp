// State that the broker keeps for all workers: JSON in the one message of a queue. Whoever changes it takes
// that message, puts a newer one in, and acknowledges the old one. What dies in between leaves both, so the
// queue may hold several, of which the newest counts.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "millrace/client.hpp"

namespace millrace::tasks {

// A durable queue that goes when nobody has used it for a week.
QueueSpec queue_for_a_week(std::string name);

// Shows `see` all that the queue holds, and gives what is to be acknowledged; it goes back when it is let go.
// While somebody else has it: looks again after a pause, as long as `is_patient`, and gives none in the end.
// Blocks; throws a ClientError, and what `see` throws.
std::vector<Delivery> take_state(Client& client, const std::string& queue, std::chrono::milliseconds pause,
                                 const std::function<bool()>& is_patient,
                                 const std::function<void(boost::json::value kept)>& see);

}  // namespace millrace::tasks
