#include "client/tasks/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "client/tasks/child_channel.hpp"
#include "client/tasks/exec.hpp"
#include "client/tasks/outcome.hpp"
#include "client/tasks/task_message.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

std::atomic<bool> told_to_stop{false};
std::atomic<bool> told_of_soft_limit{false};

void on_signal(int number) {
  (number == SIGUSR1 ? told_of_soft_limit : told_to_stop) = true;
}

void listen_to(int number) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

// The context of the one task that runs.
class ChildContext final : public Context {
 public:
  ChildContext(int channel, const CallData& call, std::int64_t retries, bool redelivered)
      : channel_(channel) {
    call_ = &call;
    retries_ = retries;
    redelivered_ = redelivered;
  }

  bool stop_requested() const noexcept override { return told_to_stop || told_of_soft_limit; }
  void check() override {
    if (told_to_stop) throw Cancelled("the task was cancelled");
    if (!told_of_soft_limit || std::exchange(soft_limit_thrown_, true)) return;
    throw SoftTimeLimitExceeded("the soft time limit has passed");
  }
  void set_state(const std::string& name, const json::value& value) override {
    if (!write_object(channel_, {{"state", name}, {"value", value}})) std::_Exit(1);  // the worker is gone
  }

 private:
  const int channel_;
  bool soft_limit_thrown_ = false;
};

// From now on; the process has used some before.
void limit_cpu(std::uint64_t seconds) {
  if (seconds == 0) return;
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto so_far = static_cast<std::uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1;
  const rlimit limit{so_far + seconds, RLIM_INFINITY};
  setrlimit(RLIMIT_CPU, &limit);
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t number_in(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? 0 : value->to_number<std::uint64_t>();
}

Outcome run(int channel, const json::object& asked,
            const std::map<std::string, detail::Registration, std::less<>>& tasks) {
  const CallData call = call_from_signature(asked.at("run").as_object());
  ChildContext context(channel, call, asked.at("retries").to_number<std::int64_t>(),
                       asked.at("redelivered").as_bool());
  try {
    return Outcome::success(tasks.find(call.task)->second.plain(context, call));
  } catch (...) {
    return outcome_of(std::current_exception());
  }
}

}  // namespace

std::optional<int> child_channel() {
  const char* value = std::getenv(kChildVariable);
  if (value == nullptr) return std::nullopt;
  if (std::string(value) != std::to_string(getppid()))
    std::_Exit(0);  // the worker died while this one started
  return kChildDescriptor;
}

void serve_as_child(int channel, const std::map<std::string, detail::Registration, std::less<>>& tasks) {
  unsetenv(kChildVariable);  // what the tasks start is no child of ours
  fcntl(channel, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a task does not go on when its worker, and so its lease, is gone
  listen_to(SIGTERM);
  listen_to(SIGUSR1);
  signal(SIGINT, SIG_IGN);  // Ctrl-C is for the worker, which drains
  std::uint64_t cpu_max = 0;
  while (const auto object = read_object(channel)) {
    if (const json::value* limits = object->if_contains("limits")) {
      limit_resource(RLIMIT_AS, number_in(limits->as_object(), "memory_max"));
      cpu_max = number_in(limits->as_object(), "cpu_max");
      continue;
    }
    told_to_stop = false;
    told_of_soft_limit = false;
    limit_cpu(cpu_max);
    const Outcome outcome = run(channel, *object, tasks);
    std::fflush(nullptr);
    if (!write_object(channel, {{"end", to_json(outcome)}, {"resident", resident_bytes()}})) break;
  }
  std::fflush(nullptr);
  std::_Exit(0);
}

}  // namespace millrace::tasks
