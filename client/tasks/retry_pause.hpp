#pragma once

#include <cstdint>

#include "base/prng.hpp"
#include "millrace/tasks/worker.hpp"

namespace millrace::tasks {

// Before attempt number `retries` + 2: TaskOptions::retries says how it grows.
Milliseconds pause_before_retry(const TaskOptions& options, std::int64_t retries, Prng& random);

}  // namespace millrace::tasks
