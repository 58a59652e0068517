// What a worker and its child processes say to each other: JSON objects over a socket pair, each after its
// length (u32, little-endian).
//
//   worker:  {"limits": {"memory_max", "cpu_max"}}           first
//            {"run": signature, "retries", "redelivered"}    one at a time
//   child:   {"state": name, "value": ...}                   while it runs
//            {"end": outcome, "resident": bytes}             then it is ready for the next
//
// A child is told to stop by SIGTERM, and that the soft limit has passed by SIGUSR1.
#pragma once

#include <boost/json.hpp>
#include <optional>

namespace millrace::tasks {

// False when the other side is gone.
bool write_object(int fd, const boost::json::object& object);
// Blocks; nothing when the other side is gone, or talks nonsense.
std::optional<boost::json::object> read_object(int fd);

}  // namespace millrace::tasks
