// What the verbs of tasks_driver share: the tasks that the tests ask for, by name and type.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <millrace/tasks.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tasks_driver {

using namespace millrace::tasks;
using namespace std::chrono_literals;

inline const Task<int(int, int)> add{"tasks.add", {"x", "y"}};
inline const Task<std::string(std::string)> echo{"tasks.echo", {"text"}};
inline const Task<int()> fail_twice{"tasks.fail_twice"};
inline const Task<void(std::string)> raise{"tasks.raise", {"text"}};
inline const Task<void()> never_again{"tasks.never_again"};
inline const Task<double(double)> rest{"tasks.rest", {"seconds"}};
inline const Task<double(double)> rest_deaf{"tasks.rest_deaf", {"seconds"}};
inline const Task<int(int)> steps{"tasks.steps", {"count"}};
inline const Task<double(double)> rest_async{"tasks.rest_async", {"seconds"}};
inline const Task<void(std::string, int)> note{"tasks.note", {"file", "number"}};
inline const Task<double(std::string, int, double)> note_then_rest{"tasks.note_then_rest",
                                                                   {"file", "number", "seconds"}};
inline const Task<std::string(std::string)> misbehave{"tasks.misbehave", {"how"}};
inline const Task<int(std::vector<int>)> total{"tasks.total", {"numbers"}};
inline const Task<std::string(int)> make_text{"tasks.make_text", {"bytes"}};
inline const Task<void()> kill_worker{"tasks.kill_worker"};
inline const Task<int()> child_pid{"tasks.child_pid"};
inline const Task<int()> thread_id{"tasks.thread_id"};
inline const Task<double(double)> rest_in_process{"tasks.rest_in_process", {"seconds"}};

struct Arguments {
  std::string url;
  std::string queue;
  std::map<std::string, std::string> given;
  int count = 0;

  int number(const std::string& name, int otherwise) const {
    const auto at = given.find(name);
    return at == given.end() ? otherwise : std::stoi(at->second);
  }
};

inline void check(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("not so: " + what);
}

inline double rest_for(Context& context, double seconds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < until) {
    context.yield();
    std::this_thread::sleep_for(5ms);
  }
  return seconds;
}

// The order in which it serves, and how often it delivers a call, if these are given.
inline millrace::FieldTable arguments_of_queue(const Arguments& arguments) {
  millrace::FieldTable table;
  const auto order = arguments.given.find("scheduling");
  if (order != arguments.given.end()) table["x-scheduling"] = order->second;
  const int limit = arguments.number("delivery_limit", 0);
  if (limit == 0) return table;
  table["x-queue-type"] = "quorum";
  table["x-delivery-limit"] = limit;
  table["x-dead-letter-exchange"] = "";
  table["x-dead-letter-routing-key"] = arguments.queue + ".dead";
  return table;
}

inline ProducerOptions producing(const Arguments& arguments) {
  ProducerOptions options;
  options.queue = arguments.queue;
  options.queue_arguments = arguments_of_queue(arguments);
  return options;
}

template <class Get>
std::string failure_of(Get get) {
  try {
    get();
    return "";
  } catch (const TaskFailed& failed) {
    return failed.what();
  }
}

inline millrace::ErrorKind kind_of(const std::function<void()>& ask) {
  try {
    ask();
    return millrace::ErrorKind::none;
  } catch (const millrace::ClientError& error) {
    return error.kind();
  }
}

// Of canvases, and of results that are kept (canvases.cpp).
void chains(const Arguments& arguments);
void groups(const Arguments& arguments);
void dags(const Arguments& arguments);
void sagas(const Arguments& arguments);
void cancelled(const Arguments& arguments);
void kept(const Arguments& arguments);
void canvases(const Arguments& arguments);
void stuck(const Arguments& arguments);

// Of who waits for such results (waiting.cpp).
void waiting(const Arguments& arguments);
void unpermitted(const Arguments& arguments);
void awaited(const Arguments& arguments);

}  // namespace tasks_driver
