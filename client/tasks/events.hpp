// Celery's events, which monitors such as Flower listen to: JSON objects on the topic exchange `celeryev`,
// with the type as routing key ("task-sent": task.sent).
#pragma once

#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "client/tasks/task_message.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

inline constexpr const char* kEventExchange = "celeryev";

ExchangeSpec event_exchange();
Address event_address(std::string_view type);
// A transient message with the fields that every event has.
Message event_message(std::string_view type, const std::string& host, boost::json::object fields);
Message task_sent_event(const CallData& call, const std::string& origin);

// The events of one worker. Any thread; what cannot be sent is dropped.
class Events {
 public:
  Events(Client& client, std::string host) : client_(client), host_(std::move(host)) {}

  // task-… events are sent only while somebody wants them (remote control, or the worker's options).
  void enable_tasks(bool on) noexcept { tasks_ = on; }
  bool tasks_enabled() const noexcept { return tasks_; }

  void received(const Request& request);
  void started(const Request& request);
  void succeeded(const Request& request, const boost::json::value& result,
                 std::chrono::steady_clock::time_point started);
  void failed(const Request& request, const std::string& error, const std::string& traceback);
  void retried(const Request& request, const std::string& error);
  void revoked(const Request& request, bool terminated, bool expired);
  void rejected(const Request& request);
  // worker-online, worker-heartbeat, worker-offline
  void worker(std::string_view type, std::size_t active, std::uint64_t processed);

 private:
  void task(std::string_view type, const Request& request, boost::json::object fields);
  void send(std::string_view type, boost::json::object fields);

  Client& client_;
  const std::string host_;
  std::atomic<bool> tasks_{false};
};

}  // namespace millrace::tasks
