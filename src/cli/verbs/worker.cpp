// worker
#include <boost/json/object.hpp>
#include <boost/json/value_from.hpp>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <utility>
#include <vector>

#include "cli/amqp.hpp"
#include "cli/message_json.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/text.hpp"
#include "cli/verb.hpp"
#include "millrace/tasks/worker.hpp"

namespace millrace::cli {
namespace worker {
namespace {

constexpr std::uint64_t kMostSeconds = 31'536'000;
constexpr std::uint64_t kMostMegabytes = 1U << 24U;
constexpr std::uint64_t kMostJobs = 10'000;
constexpr std::uint64_t kMostRetries = 1'000'000;
// A program that does not heed SIGTERM at its limit gets SIGKILL before that.
constexpr std::chrono::seconds kHardAfterSoft{5};

constexpr Option kWorker[] = {
    {"-p,--vhost", "VHOST", "The virtual host (default /)"},
    {"--queue", "NAME", "Take tasks from it (default celery); can be repeated", true},
    {"--argument", "NAME=VALUE", "Of these queues, as x-scheduling=sjf; can be repeated", true},
    {"--run", "TASK=COMMAND", "What carries out a task; can be repeated", true},
    {"--jobs", "N", "Programs at once (default: one for each processor)"},
    {"--prefetch", "N", "Calls held at once (default: as many as run)"},
    {"--dispatch", "HOW", "Calls go to who is idle first, or round-robin (default idle-first)"},
    {"--limit", "SECONDS", "Then a program gets SIGTERM, 2 s later SIGKILL, and has failed"},
    {"--retries", "N", "How often a task is tried again (default 0)"},
    {"--pause", "SECONDS", "Before the first retry; each further pause is twice as long (default 1)"},
    {"--rate", "N", "Of each task at most N begin in a second, over all workers"},
    {"--memory-mb", "N", "Memory of a program (RLIMIT_AS)"},
    {"--cpu", "SECONDS", "Processor time of a program (RLIMIT_CPU)"},
    {"--result", "KIND", "Output is json, text, or auto: JSON if it is that (default auto)"},
    {"--drop-failed", "", "Keep no dead letters of what is out of retries"},
    {"--drain", "SECONDS", "At SIGTERM what runs has that long to end (default 30)"},
    {"--name", "NAME", "What the worker is called (default millrace-PID)"},
};

tasks::CommandResult result_kind(const Given& given) {
  const std::string kind = given.find("result").value_or("auto");
  if (kind == "json") return tasks::CommandResult::json;
  if (kind == "text") return tasks::CommandResult::text;
  if (kind != "auto") throw Stop(kBadUse, "--result is auto, json or text, not '" + printable(kind) + "'");
  return tasks::CommandResult::automatic;
}

tasks::Dispatch dispatch_of(const Given& given) {
  const std::string how = given.find("dispatch").value_or("idle-first");
  if (how == "round-robin") return tasks::Dispatch::round_robin;
  if (how != "idle-first")
    throw Stop(kBadUse, "--dispatch is idle-first or round-robin, not '" + printable(how) + "'");
  return tasks::Dispatch::idle_first;
}

tasks::Command command_of(const std::string& line, const Given& given) {
  try {
    tasks::Command command{std::string_view(line)};
    command.result = result_kind(given);
    command.memory_max = given.number("memory-mb", 0, kMostMegabytes) << 20U;
    command.cpu_max = std::chrono::seconds(given.number("cpu", 0, kMostSeconds));
    command.echo_errors = true;
    return command;
  } catch (const std::invalid_argument& wrong) {
    throw Stop(kBadUse, "--run '" + printable(line) + "': " + wrong.what());
  }
}

FieldTable queue_arguments_of(const Given& given) {
  Message arguments;
  for (const std::string& pair : given.list("argument")) set_header(arguments, pair);
  return arguments.headers;
}

tasks::WorkerOptions options_of(const Given& given) {
  tasks::WorkerOptions options;
  if (given.has("queue")) options.queues = given.list("queue");
  options.queue_arguments = queue_arguments_of(given);
  options.threads = static_cast<unsigned>(given.number("jobs", 0, kMostJobs));
  options.prefetch = static_cast<std::uint16_t>(given.number("prefetch", 0, 65535));
  options.dispatch = dispatch_of(given);
  options.name = given.text("name");
  options.drain_time = std::chrono::seconds(given.number("drain", 30, kMostSeconds));
  return options;
}

using Commands = std::vector<std::pair<std::string, tasks::Command>>;

Commands commands_of(const Given& given) {
  if (!given.has("run"))
    throw Stop(kBadUse, "what is to be run?\nSay it by --run TASK=COMMAND, as --run 'mail.send=sendmail -t'");
  Commands commands;
  for (const std::string& pair : given.list("run")) {
    const auto [name, line] = split_pair(pair, "--run");
    if (name.empty()) throw Stop(kBadUse, "--run needs the name of a task before the '='");
    commands.emplace_back(name, command_of(line, given));
  }
  return commands;
}

void add_tasks(tasks::Worker& worker, Commands commands, const Given& given) {
  const std::chrono::seconds limit(given.number("limit", 0, kMostSeconds));
  const auto retries = static_cast<unsigned>(given.number("retries", 0, kMostRetries));
  const std::chrono::seconds pause(given.number("pause", 1, kMostSeconds));
  const auto rate = static_cast<unsigned>(given.number("rate", 0, 1'000'000));
  for (auto& [name, command] : commands) {
    tasks::TaskOptions& task = worker.on_command(name, std::move(command));
    task.retries(retries, pause).keep_failed(!given.has("drop-failed"));
    if (rate > 0) task.rate_limit(rate);
    if (limit.count() > 0) task.limits(limit, limit + kHardAfterSoft);
  }
}

int work(Session& session) {
  const Given& given = session.given;
  Commands commands = commands_of(given);
  const tasks::WorkerOptions options = options_of(given);
  const AmqpServer server = amqp_url(session);
  connect_client(server, "millrace worker")->close();  // it gets there, else with the other commands' errors
  tasks::Worker worker(server.client_options(), options);
  add_tasks(worker, std::move(commands), given);
  worker.run([&] {
    session.say(printable(worker.name()) + " takes tasks",
                {{"worker", worker.name()}, {"queues", boost::json::value_from(options.queues)}});
    std::fflush(stdout);
  });
  return kOk;
}

}  // namespace
}  // namespace worker

std::span<const Verb> worker_verbs() {
  using namespace worker;
  static const Verb verbs[] = {
      {"worker",
       "Carry out tasks, each by a program of yours",
       {},
       kWorker,
       "millrace worker --run 'images.thumb=convert {0} -resize {width} {1}' --queue images\n"
       "millrace worker --run 'mail.send=/opt/mail/send.py' --jobs 4 --retries 5 --limit 60\n"
       "millrace task submit images.thumb a.png b.png --named width=200 --queue images --wait 10",
       guarded<work>},
  };
  return verbs;
}

}  // namespace millrace::cli
