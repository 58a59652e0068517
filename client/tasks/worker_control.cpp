// What a worker answers to remote control: the commands of Celery's workers that have a meaning here.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "client/tasks/time_text.hpp"
#include "client/tasks/worker_core.hpp"

namespace millrace::tasks::detail {
namespace {

namespace json = boost::json;

std::vector<std::string> texts_in(const json::object& arguments, std::string_view name) {
  std::vector<std::string> texts;
  const json::value* value = arguments.if_contains(name);
  if (value == nullptr) return texts;
  if (value->is_string()) {
    texts.push_back(json::value_to<std::string>(*value));
  } else if (const json::array* list = value->if_array()) {
    for (const json::value& one : *list) texts.push_back(json::value_to<std::string>(one));
  }
  return texts;
}

// True as Python takes it: Flower says 1.
bool flag_in(const json::object& arguments, std::string_view name) {
  const json::value* value = arguments.if_contains(name);
  if (value == nullptr) return false;
  return value->is_bool() ? value->get_bool() : value->is_number() && value->to_number<double>() != 0;
}

json::object ok(json::value value) {
  return {{"ok", std::move(value)}};
}

}  // namespace

void WorkerCore::add_commands() {
  RemoteControl& control = *control_;
  control.add("ping", [](const json::object&) { return ok("pong"); });
  control.add("revoke", [this](const json::object& arguments) { return revoke(arguments); });
  control.add("terminate", [this](const json::object& arguments) {
    json::object all = arguments;
    all["terminate"] = true;
    return revoke(all);
  });
  control.add("active", [this](const json::object&) { return jobs_json(true); });
  control.add("reserved", [this](const json::object&) { return jobs_json(false); });
  // What is early is held by the broker.
  control.add("scheduled", [](const json::object&) { return json::array(); });
  control.add("revoked", [this](const json::object&) {
    json::array ids;
    const std::lock_guard lock(mutex_);
    for (const std::string& id : revoked_.in_order()) ids.push_back(json::value(id));
    return ids;
  });
  const auto registered = [this](const json::object&) {
    json::array names;
    for (const auto& [name, task] : tasks_) names.push_back(json::value(name));
    return names;
  };
  control.add("registered", registered);
  control.add("registered_tasks", registered);
  control.add("active_queues", [this](const json::object&) {
    json::array queues;
    for (const std::string& queue : options_.queues) {
      queues.push_back(json::object{{"name", queue},
                                    {"routing_key", queue},
                                    {"durable", true},
                                    {"exclusive", false},
                                    {"auto_delete", false},
                                    {"exchange", json::object{{"name", ""}, {"type", "direct"}}}});
    }
    return queues;
  });
  control.add("query_task", [this](const json::object& arguments) {
    json::object found;
    const std::vector<std::string> ids = texts_in(arguments, "ids");
    const std::lock_guard lock(mutex_);
    for (const auto& [key, job] : jobs_) {
      if (job->is_over() || std::find(ids.begin(), ids.end(), job->id()) == ids.end()) continue;
      found[job->id()] = json::array{job->has_begun() ? "active" : "reserved", info_of(*job)};
    }
    return found;
  });
  control.add("stats", [this](const json::object&) { return stats(); });
  control.add("conf", [this](const json::object&) {
    return json::object{{"task_queues", json::value_from(options_.queues)},
                        {"worker_concurrency", options_.threads},
                        {"worker_prefetch", options_.prefetch}};
  });
  control.add("enable_events", [this](const json::object&) {
    events_->enable_tasks(true);
    return ok("task events enabled");
  });
  control.add("disable_events", [this](const json::object&) {
    events_->enable_tasks(false);
    return ok("task events disabled");
  });
  control.add("heartbeat", [this](const json::object&) {
    beat();
    return ok("heartbeat sent");
  });
  control.add("shutdown", [this](const json::object&) {
    const std::lock_guard lock(mutex_);
    shutdown_asked_ = true;
    changed_.notify_all();
    return ok("the worker is stopping");
  });
}

json::value WorkerCore::revoke(const json::object& arguments) {
  const std::vector<std::string> ids = texts_in(arguments, "task_id");
  const bool running_too = flag_in(arguments, "terminate");
  std::vector<JobPtr> running;
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& id : ids) revoked_.add(id);
    any_revoked_ = true;
    for (const auto& [key, job] : jobs_) {
      const bool meant = std::find(ids.begin(), ids.end(), job->id()) != ids.end();
      if (meant && job->has_begun() && running_too) running.push_back(job);
    }
  }
  for (const JobPtr& job : running) job->request_stop(StopReason::cancelled);
  return ok("tasks flagged as revoked");
}

json::object WorkerCore::info_of(const Job& job) const {
  const CallData& call = job.request.call;
  json::object info{{"id", call.id},
                    {"name", call.task},
                    {"type", call.task},
                    {"args", call.args},
                    {"kwargs", call.kwargs},
                    {"hostname", host_},
                    {"acknowledged", false},
                    {"retries", job.request.retries},
                    {"worker_pid", getpid()},
                    {"delivery_info", json::object{{"exchange", ""},
                                                   {"routing_key", job.queue},
                                                   {"priority", call.priority},
                                                   {"redelivered", job.redelivered()}}}};
  if (job.has_begun()) {
    const auto ago = std::chrono::duration_cast<std::chrono::system_clock::duration>(
        std::chrono::steady_clock::now() - job.started());
    info["time_start"] = seconds_of(std::chrono::system_clock::now() - ago);
  }
  return info;
}

json::array WorkerCore::jobs_json(bool begun) const {
  json::array list;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, job] : jobs_) {
    if (job->has_begun() == begun && !job->is_over()) list.push_back(info_of(*job));
  }
  return list;
}

json::object WorkerCore::stats() const {
  json::object totals;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, count] : totals_) totals[name] = count;
  }
  json::object pools;
  for (const auto& [kind, pool] : pools_) {
    json::object description = pool->describe();
    const std::string name = json::value_to<std::string>(description.at("implementation"));
    pools[name] = std::move(description);
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  const std::chrono::duration<double> uptime = std::chrono::steady_clock::now() - created_;
  return {{"total", std::move(totals)},
          {"pid", getpid()},
          {"uptime", static_cast<std::int64_t>(uptime.count())},
          {"prefetch_count", options_.prefetch},
          {"pool", std::move(pools)},
          {"rusage", json::object{{"utime", seconds(used.ru_utime)},
                                  {"stime", seconds(used.ru_stime)},
                                  {"maxrss", used.ru_maxrss}}},
          {"broker", json::object{{"hostname", client_->broker().address}, {"transport", "amqp"}}}};
}

}  // namespace millrace::tasks::detail
