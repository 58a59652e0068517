// Asynchronous steps, one after the other.
#pragma once

#include <exception>
#include <functional>
#include <vector>

namespace millrace::tasks {

using Then = std::function<void(std::exception_ptr)>;
// Calls what it is given once, with an error or none, on any thread; perhaps before it returns.
using Step = std::function<void(Then)>;

// Calls `then` when all are done, or with the first error; what comes after that is not begun. When
// `is_given_up` before a step, the error is ErrorKind::cancelled.
void run_steps(std::vector<Step> steps, Then then, std::function<bool()> is_given_up = {});

// ErrorKind::cancelled, for a caller who did, or whose producer has gone.
std::exception_ptr given_up();

// Waits on this thread for what start(then) begins; throws what `then` is called with.
void wait_until_done(const std::function<void(Then then)>& start);

}  // namespace millrace::tasks
