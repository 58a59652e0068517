#include "client/tasks/steps.hpp"

#include <memory>
#include <utility>

#include "client/src/blocking.hpp"
#include "millrace/error.hpp"

namespace millrace::tasks {
namespace {

struct Run {
  std::vector<Step> steps;
  Then then;
  std::function<bool()> is_given_up;
};

void run_from(const std::shared_ptr<Run>& run, std::size_t next) {
  if (next == run->steps.size()) return run->then(nullptr);
  if (run->is_given_up && run->is_given_up()) return run->then(given_up());
  run->steps[next]([run, next](std::exception_ptr error) {
    if (error) return run->then(std::move(error));
    run_from(run, next + 1);
  });
}

}  // namespace

void run_steps(std::vector<Step> steps, Then then, std::function<bool()> is_given_up) {
  run_from(std::make_shared<Run>(Run{std::move(steps), std::move(then), std::move(is_given_up)}), 0);
}

std::exception_ptr given_up() {
  return make_failure(
      ErrorKind::cancelled,
      "the caller has cancelled, or its producer was destroyed; what was submitted by then stays");
}

void wait_until_done(const std::function<void(Then)>& start) {
  client::wait_for<>([&](millrace::detail::Completion<> done) {
    const auto held = std::make_shared<millrace::detail::Completion<>>(std::move(done));
    start([held](std::exception_ptr error) { held->later(std::move(error)); });
  });
}

}  // namespace millrace::tasks
