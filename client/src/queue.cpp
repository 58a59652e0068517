#include "millrace/queue.hpp"

namespace millrace {

queue_closed::queue_closed() : std::runtime_error("the queue is closed") {}

}  // namespace millrace
