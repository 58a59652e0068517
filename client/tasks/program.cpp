#include "client/tasks/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "client/tasks/exec.hpp"

namespace millrace::tasks {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct BothEnds {
  Descriptor read;
  Descriptor write;
};

BothEnds make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("pipe2");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

void do_not_block(const Descriptor& pipe) {
  if (fcntl(pipe.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno("fcntl");
}

// All that the child needs, made before fork(): behind it only what is safe in a signal handler may be
// called.
struct Start {
  char* const* words;
  char* const* variables;
  int input;
  int output;
  int errors;
  int report;
  pid_t parent;
  ProgramLimits limits;
};

// Reports errno by the pipe, which closes by itself when the program begins.
[[noreturn]] void give_up(int report) {
  const int error = errno;
  const auto written = write(report, &error, sizeof error);
  _exit(written == sizeof error ? 127 : 126);
}

[[noreturn]] void become(const Start& start) {
  constexpr int kReport = 3;
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != start.parent) _exit(127);  // it died before that
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Out of the way of the numbers that they are to have.
  const int input = fcntl(start.input, F_DUPFD, kReport + 1);
  const int output = fcntl(start.output, F_DUPFD, kReport + 1);
  const int errors = fcntl(start.errors, F_DUPFD, kReport + 1);
  const int report = fcntl(start.report, F_DUPFD, kReport + 1);
  const bool moved = input >= 0 && output >= 0 && errors >= 0 && report >= 0 && dup2(input, 0) >= 0 &&
                     dup2(output, 1) >= 0 && dup2(errors, 2) >= 0 && dup3(report, kReport, O_CLOEXEC) >= 0;
  if (!moved) give_up(report >= 0 ? report : start.report);
  // Above all the broker's connection: who keeps it open keeps this worker's leases.
  close_range(kReport + 1, ~0U, 0);
  limit_resource(RLIMIT_AS, start.limits.memory_max);
  limit_resource(RLIMIT_CPU, start.limits.cpu_max);
  execvpe(start.words[0], start.words, start.variables);
  give_up(kReport);
}

}  // namespace

Program::Program(std::vector<std::string> words, std::vector<std::string> variables,
                 const ProgramLimits& limits) {
  BothEnds in = make_pipe();
  BothEnds out = make_pipe();
  BothEnds err = make_pipe();
  BothEnds report = make_pipe();
  for (const Descriptor* ours : {&in.write, &out.read, &err.read}) do_not_block(*ours);
  const std::vector<char*> argv = pointers_to(words);
  const std::vector<char*> envp = pointers_to(variables);
  const Start start{argv.data(),     envp.data(),        in.read.get(), out.write.get(),
                    err.write.get(), report.write.get(), getpid(),      limits};
  pid_ = fork();
  if (pid_ < 0) throw_errno("fork");
  if (pid_ == 0) become(start);
  setpgid(pid_, pid_);  // here too: whoever is first
  report.write.close();
  int error = 0;
  ssize_t got = 0;
  do got = read(report.read.get(), &error, sizeof error);
  while (got < 0 && errno == EINTR);
  if (got != 0) {
    wait();
    throw std::system_error(got == sizeof error ? error : EIO, std::generic_category(), words.front());
  }
  // glibc 2.36 declares its function for C alone.
  ended = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!ended.is_open()) {
    const int why = errno;
    send_signal(SIGKILL);
    wait();
    throw std::system_error(why, std::generic_category(), "pidfd_open");
  }
  input = std::move(in.write);
  output = std::move(out.read);
  errors = std::move(err.read);
}

Program::~Program() {
  if (pid_ < 0) return;
  send_signal(SIGKILL);
  wait();
}

void Program::send_signal(int number) const noexcept {
  if (pid_ > 0) kill(-pid_, number);
}

int Program::wait() {
  siginfo_t info{};
  // Not reaped yet, so that the number of its group is nobody else's.
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) continue;
  send_signal(SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  pid_ = -1;
  return status;
}

}  // namespace millrace::tasks
