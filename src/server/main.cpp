// millrace: reads what the operator wants, runs the broker, and turns signals into its end.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cli/rabbitmqctl/ctl.hpp"
#include "cli/run.hpp"
#include "server/command_line.hpp"
#include "server/process.hpp"
#include "server/service_manager.hpp"

namespace {

using namespace millrace;

// How long clients have to answer connection.close.
constexpr runtime::Milliseconds kGrace{5000};
// Threads share heaps: one for each would hold memory that no other can use.
constexpr int kHeaps = 2;
constexpr int kStopped = SIGUSR1;  // sent by ourselves when all is drained

sigset_t awaited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, kStopped}) sigaddset(&set, signal);
  return set;
}

// The signal, or empty after `at_most`.
std::optional<int> wait_for_signal(const sigset_t& signals,
                                   std::optional<std::chrono::milliseconds> at_most) {
  int signal = 0;
  if (!at_most) return sigwait(&signals, &signal) == 0 ? std::optional(signal) : std::nullopt;
  const timespec limit{.tv_sec = at_most->count() / 1000, .tv_nsec = at_most->count() % 1000 * 1'000'000};
  signal = sigtimedwait(&signals, nullptr, &limit);
  return signal > 0 ? std::optional(signal) : std::nullopt;
}

// Tells the service manager that the broker is alive as often as it wants to hear that, until SIGTERM or
// SIGINT.
void serve_until_signal(const sigset_t& signals, server::Process& process,
                        const server::ServiceManager& manager) {
  while (true) {
    const std::optional<int> signal = wait_for_signal(signals, manager.watchdog_interval());
    if (signal == SIGTERM || signal == SIGINT) return;
    if (signal == SIGHUP) process.reload();
    if (!signal) process.when_all_have_turned([&manager] { manager.tell("WATCHDOG=1"); });
  }
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void print(std::FILE* to, const std::string& text) {
  std::fputs(text.c_str(), to);
  std::fflush(to);
}

int run(const server::Config& config, const server::Environment& environment) {
  const sigset_t signals = awaited_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // in all threads to come
  signal(SIGPIPE, SIG_IGN);
  mallopt(M_ARENA_MAX, kHeaps);
  raise_descriptor_limit();

  const server::ServiceManager manager(environment);
  const bool to_journal = server::stderr_is_journal(environment);
  const server::LogFunction log = server::make_log(config.log_json, config.log_level, to_journal);
  // What it logs may change while it runs.
  auto process =
      server::Process::start(config, server::make_log(config.log_json, broker::LogLevel::debug, to_journal));
  if (!process) {
    print(stderr, "millrace: " + process.error().text + "\n");
    return 1;
  }
  const std::string ready = (*process)->ready_line();
  print(stdout, ready + "\n");
  manager.tell("READY=1\nSTATUS=" + ready);

  serve_until_signal(signals, **process, manager);
  log(broker::LogLevel::info, "stopping; a second signal ends it at once");
  manager.tell("STOPPING=1\nSTATUS=waiting for clients to close");
  std::atomic<bool> stopped{false};
  const pthread_t self = pthread_self();
  (*process)->stop(kGrace, [&stopped, self] {
    stopped = true;
    pthread_kill(self, kStopped);
  });
  while (!stopped) {
    const std::optional<int> signal = wait_for_signal(signals, std::nullopt);
    if (signal == SIGTERM || signal == SIGINT) _exit(128 + *signal);
  }
  process->reset();
  log(broker::LogLevel::info, "stopped");
  return 0;
}

// As the command line's own options are described, "--config" first.
std::vector<cli::Option> serve_options(std::vector<std::string>& names) {
  std::vector<cli::Option> options{{"--config", "FILE", "Read options from this TOML file"}};
  const auto wanted = server::config_options();
  names.reserve(wanted.size());  // the options look into it
  for (const server::ConfigOption& option : wanted) {
    names.push_back("--" + std::string(option.name));
    options.push_back({names.back(), option.placeholder, option.help});
  }
  return options;
}

}  // namespace

// What the server reads itself; all else is a client's verb.
bool is_for_server(const std::vector<std::string>& words) {
  return !words.empty() && (words[0] == "serve" || words[0] == "--version");
}

int main(int argc, char** argv) {
  const auto environment = [](const char* name) { return std::getenv(name); };
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  // Installed under two names; a path may stand before it.
  const std::string_view name = argc > 0 ? argv[0] : "";
  if (name.substr(name.rfind('/') + 1) == "rabbitmqctl") return cli::rabbitmqctl::run(words, environment);
  if (!is_for_server(words)) {
    std::vector<std::string> names;
    return cli::run(words, environment, serve_options(names));
  }
  const auto wanted = server::read_command_line(argc, argv, environment);
  if (const auto* say = std::get_if<server::Say>(&wanted)) {
    print(say->status == 0 ? stdout : stderr, say->text);
    return say->status;
  }
  return run(std::get<server::Config>(wanted), environment);
}
