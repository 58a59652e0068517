#include "client/tasks/command.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/utf8.hpp"
#include "client/tasks/command_words.hpp"
#include "client/tasks/exec.hpp"
#include "client/tasks/job.hpp"
#include "client/tasks/program.hpp"
#include "client/tasks/spawn.hpp"
#include "millrace/json.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// How much of a program's standard error is kept as the reason of its failure.
constexpr std::size_t kReasonMax = 2000;
// Whether the task is to stop is looked at that often.
constexpr std::chrono::milliseconds kLook{50};

TaskError failed(const std::string& text) {
  return TaskError("CommandFailed", text);
}

std::vector<std::string> variables_for(const Context& context, const CallData& call) {
  std::vector<std::string> variables = own_variables();
  // A name or an id with a zero byte ends there.
  variables.push_back("MILLRACE_TASK_ID=" + call.id);
  variables.push_back("MILLRACE_TASK_NAME=" + call.task);
  variables.push_back("MILLRACE_TASK_RETRIES=" + std::to_string(context.retries()));
  return variables;
}

// As write(), for a pipe whose reader may have gone: the error tells that, and SIGPIPE, which would end this
// process, goes nowhere. It is sent to the thread that writes, so it is held back there and taken out again.
ssize_t write_without_signal(int pipe, std::string_view bytes) {
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  sigset_t pending;
  sigpending(&pending);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  const ssize_t wrote = write(pipe, bytes.data(), bytes.size());
  const int error = errno;
  if (wrote < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec at_once{};
    while (sigtimedwait(&broken_pipe, nullptr, &at_once) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return wrote;
}

// One program's run: its pipes are served until it has ended.
class Run {
 public:
  Run(const Command& command, Context& context, const CallData& call)
      : command_(command),
        context_(context),
        job_(dynamic_cast<const Job*>(&context)),
        program_(words_for(command.words, call), variables_for(context, call),
                 ProgramLimits{command.memory_max, static_cast<std::uint64_t>(command.cpu_max.count())}),
        input_(json::serialize(json::object{{"args", call.args}, {"kwargs", call.kwargs}}) + "\n") {}

  // Its status.
  int finish() {
    while (serve()) stop_if_asked();
    // What it wrote last; whoever else holds the pipes is not waited for.
    read_output();
    read_errors();
    return program_.wait();
  }

  const std::string& output() const noexcept { return output_; }
  const std::string& errors() const noexcept { return errors_; }
  bool wrote_too_much() const noexcept { return wrote_too_much_; }

 private:
  // False when it has ended.
  bool serve() {
    std::array<pollfd, 4> polled{
        pollfd{program_.ended.get(), POLLIN, 0}, pollfd{program_.output.get(), POLLIN, 0},
        pollfd{program_.errors.get(), POLLIN, 0}, pollfd{program_.input.get(), POLLOUT, 0}};
    if (poll(polled.data(), polled.size(), static_cast<int>(kLook.count())) < 0) return true;
    if (polled[0].revents != 0) return false;
    if (polled[1].revents != 0) read_output();
    if (polled[2].revents != 0) read_errors();
    if (polled[3].revents != 0) write_input();
    return true;
  }

  void write_input() {
    const std::string_view left = std::string_view(input_).substr(written_);
    const ssize_t wrote = left.empty() ? 0 : write_without_signal(program_.input.get(), left);
    if (wrote > 0) written_ += static_cast<std::size_t>(wrote);
    const bool later = wrote < 0 && (errno == EAGAIN || errno == EINTR);
    // A program that does not read its input has closed it, or ends without.
    if (written_ == input_.size() || (wrote < 0 && !later)) program_.input.close();
  }

  template <class Take>
  void read_all(Descriptor& pipe, Take take) {
    std::array<char, 65536> buffer{};
    while (pipe.is_open()) {
      const ssize_t got = read(pipe.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return pipe.close();
      take(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
      if (wrote_too_much_) return pipe.close();
    }
  }

  void read_output() {
    read_all(program_.output, [this](std::string_view bytes) {
      output_.append(bytes);
      if (output_.size() <= command_.output_max) return;
      wrote_too_much_ = true;
      program_.send_signal(SIGKILL);
    });
  }

  void read_errors() {
    read_all(program_.errors, [this](std::string_view bytes) {
      if (command_.echo_errors) std::fwrite(bytes.data(), 1, bytes.size(), stderr);
      errors_.append(bytes);
      if (errors_.size() > 2 * kReasonMax) errors_.erase(0, errors_.size() - kReasonMax);
    });
  }

  void stop_if_asked() {
    if (job_ != nullptr && job_->is_over()) return program_.send_signal(SIGKILL);
    if (!context_.stop_requested()) return;
    if (!kill_at_) {
      program_.send_signal(SIGTERM);
      kill_at_ = Clock::now() + command_.kill_after;
    } else if (Clock::now() >= *kill_at_) {
      program_.send_signal(SIGKILL);
    }
  }

  const Command& command_;
  Context& context_;
  const Job* job_;
  Program program_;
  const std::string input_;
  std::size_t written_ = 0;
  std::string output_;
  std::string errors_;
  bool wrote_too_much_ = false;
  std::optional<Clock::time_point> kill_at_;
};

std::string reason_of(const Run& run, int status) {
  std::string text = "the command " + describe_end(status);
  std::string errors = run.errors();
  if (errors.size() > kReasonMax) errors.erase(0, errors.size() - kReasonMax);
  while (!errors.empty() && errors.back() == '\n') errors.pop_back();
  return errors.empty() ? text : text + ": " + as_utf8(errors);
}

json::value result_of(const Command& command, std::string_view output) {
  if (command.result != CommandResult::text) {
    boost::system::error_code error;
    json::value value = parse_json(output, error);
    if (!error) return value;
    if (command.result == CommandResult::json)
      throw failed("the command's output is no JSON: " + error.message());
  }
  if (!output.empty() && output.back() == '\n') output.remove_suffix(1);
  return output.empty() ? json::value(nullptr) : json::value(as_utf8(output));
}

}  // namespace

Command::Command(std::string_view line) : Command(of_words(split_words(line))) {}

Command Command::of_words(std::vector<std::string> words) {
  if (words.empty() || words.front().empty()) throw std::invalid_argument("a command needs a program");
  Command command;
  command.words = std::move(words);
  return command;
}

json::value run_command(const Command& command, Context& context, const CallData& call) {
  try {
    Run run(command, context, call);
    const int status = run.finish();
    if (run.wrote_too_much())
      throw failed("the command wrote more than " + std::to_string(command.output_max) + " bytes");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return result_of(command, run.output());
    context.check();
    throw failed(reason_of(run, status));
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::argument_list_too_long)
      throw detail::BadArguments(std::string("the arguments are too long: ") + error.what());
    throw failed(std::string("the command cannot be started: ") + error.what());
  }
}

}  // namespace millrace::tasks
