#include "client/tasks/events.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "client/tasks/passing_message.hpp"
#include "client/tasks/time_text.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

// Lamport's clock, by which monitors order events of several workers; one of a process.
std::int64_t tick() {
  static std::atomic<std::int64_t> clock{0};
  return ++clock;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::value time_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(to_text(*time)) : json::value(nullptr);
}

json::array load_averages() {
  std::array<double, 3> loads{};
  if (getloadavg(loads.data(), 3) != 3) loads = {};
  return {loads[0], loads[1], loads[2]};
}

}  // namespace

ExchangeSpec event_exchange() {
  return ExchangeSpec(kEventExchange, "topic");
}

Address event_address(std::string_view type) {
  std::string key(type);
  std::replace(key.begin(), key.end(), '-', '.');
  return Address(kEventExchange, std::move(key));
}

Message event_message(std::string_view type, const std::string& host, json::object fields) {
  fields["type"] = type;
  fields["hostname"] = host;
  fields["utcoffset"] = 0;
  fields["pid"] = getpid();
  fields["clock"] = tick();
  fields["timestamp"] = seconds_of(std::chrono::system_clock::now());
  Message message = passing_message(fields);
  message.headers["hostname"] = host;
  return message;
}

Message task_sent_event(const CallData& call, const std::string& origin) {
  return event_message("task-sent", origin,
                       {{"uuid", call.id},
                        {"root_id", root_of(call)},
                        {"parent_id", text_or_null(call.parent_id)},
                        {"name", call.task},
                        {"args", python_text(call.args)},
                        {"kwargs", python_text(call.kwargs)},
                        {"retries", 0},
                        {"eta", time_or_null(call.eta)},
                        {"expires", time_or_null(call.expires)},
                        {"queue", call.queue},
                        {"exchange", ""},
                        {"routing_key", call.queue}});
}

void Events::send(std::string_view type, json::object fields) {
  client_.async_publish(event_address(type), event_message(type, host_, std::move(fields)),
                        [](std::exception_ptr, const Receipt&) {});
}

void Events::task(std::string_view type, const Request& request, json::object fields) {
  if (!tasks_) return;
  fields["uuid"] = request.call.id;
  send(type, std::move(fields));
}

void Events::received(const Request& request) {
  if (!tasks_) return;
  const CallData& call = request.call;
  task("task-received", request,
       {{"name", call.task},
        {"args", request.args_text},
        {"kwargs", request.kwargs_text},
        {"root_id", root_of(call)},
        {"parent_id", text_or_null(call.parent_id)},
        {"retries", request.retries},
        {"eta", time_or_null(call.eta)},
        {"expires", time_or_null(call.expires)}});
}

void Events::started(const Request& request) {
  if (tasks_) task("task-started", request, {});
}

void Events::succeeded(const Request& request, const json::value& result,
                       std::chrono::steady_clock::time_point started) {
  if (!tasks_) return;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  task("task-succeeded", request, {{"result", python_text(result)}, {"runtime", took.count()}});
}

void Events::failed(const Request& request, const std::string& error, const std::string& traceback) {
  if (tasks_) task("task-failed", request, {{"exception", error}, {"traceback", traceback}});
}

void Events::retried(const Request& request, const std::string& error) {
  if (tasks_) task("task-retried", request, {{"exception", error}, {"traceback", ""}});
}

void Events::revoked(const Request& request, bool terminated, bool expired) {
  if (tasks_)
    task("task-revoked", request, {{"terminated", terminated}, {"signum", nullptr}, {"expired", expired}});
}

void Events::rejected(const Request& request) {
  if (tasks_) task("task-rejected", request, {{"requeue", false}});
}

void Events::worker(std::string_view type, std::size_t active, std::uint64_t processed) {
  send(type, {{"freq", 2.0},
              {"active", active},
              {"processed", processed},
              {"loadavg", load_averages()},
              {"sw_ident", "millrace"},
              {"sw_ver", "5.0"},
              {"sw_sys", "Linux"}});
}

}  // namespace millrace::tasks
