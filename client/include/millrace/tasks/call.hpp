// What is asked of a worker: the name of a task, its arguments, and how it is to be carried out.
//
//   const millrace::tasks::Task<int(int, int)> add{"tasks.add", {"x", "y"}};   // shared by both sides
//   producer.submit(add(2, 3).delay(10s).priority(5));
//
// A Task only names and types; the function itself is given to a Worker, which may be another program, or
// written in Python with Celery: the wire format is Celery's message protocol, version 2.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace millrace::tasks {

using Milliseconds = std::chrono::milliseconds;
using WallTime = std::chrono::system_clock::time_point;

// A call without types. What is left alone is left to the producer or to the worker.
struct CallData {
  std::string task;
  boost::json::array args;
  boost::json::object kwargs;

  std::string id;     // empty: made up. A call that is sent twice with one id has one result
  std::string queue;  // empty: the producer's
  std::uint8_t priority = 0;
  // Not before. Held by the broker (its exchange type x-delayed-message), never in a worker's memory.
  std::optional<WallTime> eta;
  // Not after: a worker that comes to it later reports it REVOKED instead.
  std::optional<WallTime> expires;
  Milliseconds soft_limit{0};  // 0: the worker's. See Context::check
  Milliseconds hard_limit{0};
  bool ignore_result = false;
  // How long the broker keeps how it ended, for whoever asks (Producer::result_of): from its end, or from the
  // last time that somebody asked. 0: not at all; else at least 1 s and at most 2^32 - 1 ms, which is 49
  // days.
  Milliseconds keep_result_for{0};

  // What a queue that does not serve in order of arrival goes by (docs/scheduling.md). It is told to the
  // queue alone: Context::call has none of it.
  std::string key;                   // of a tenant, say: each in turn (fair)
  Milliseconds estimate{0};          // how long it takes (sjf, aged-sjf); 0: what the queue has learned
  std::optional<WallTime> deadline;  // the earliest first (edf); none: `expires`. A later one is carried out

  // One call at a time: while the window lasts, further calls with this key are dropped by the broker
  // (x-message-deduplication), and their results never come.
  std::string unique_key;
  Milliseconds unique_for{0};

  // What comes after it: `next` in order, each with the result before it as its first argument, unless it is
  // immutable; `on_success` and `on_failure` beside that.
  std::vector<CallData> next;
  std::vector<CallData> on_success;  // Celery's link: called with the result
  std::vector<CallData> on_failure;  // Celery's link_error: called with the id
  bool immutable = false;

  std::string group;
  std::int64_t group_index = -1;
  std::string root_id;
  std::string parent_id;
  boost::json::value chord;    // Celery's, handed on as it is
  boost::json::value barrier;  // of a Chord (chord.hpp): where its result is collected
};

// A call whose result is an R. Every function changes it and returns it.
template <class R>
class Call {
 public:
  using Result = R;

  Call() = default;
  explicit Call(CallData data) : data_(std::move(data)) {}

  Call& id(std::string value) { return set(data_.id, std::move(value)); }
  Call& queue(std::string name) { return set(data_.queue, std::move(name)); }
  Call& priority(std::uint8_t value) { return set(data_.priority, value); }
  Call& delay(Milliseconds time) { return at(std::chrono::system_clock::now() + time); }
  Call& at(WallTime time) { return set(data_.eta, time); }
  Call& expires_in(Milliseconds time) { return expires(std::chrono::system_clock::now() + time); }
  Call& expires(WallTime time) { return set(data_.expires, time); }
  Call& limits(Milliseconds soft, Milliseconds hard) {
    data_.soft_limit = soft;
    return set(data_.hard_limit, hard);
  }
  Call& ignore_result() { return set(data_.ignore_result, true); }
  // Others may ask for its result, for that long after its end. See CallData.
  Call& keep_result(Milliseconds time) { return set(data_.keep_result_for, time); }
  Call& key(std::string value) { return set(data_.key, std::move(value)); }
  Call& estimate(Milliseconds time) { return set(data_.estimate, time); }
  Call& deadline_in(Milliseconds time) { return deadline(std::chrono::system_clock::now() + time); }
  Call& deadline(WallTime time) { return set(data_.deadline, time); }
  Call& unique(std::string key, Milliseconds window) {
    data_.unique_for = window;
    return set(data_.unique_key, std::move(key));
  }
  // A keyword argument.
  template <class T>
  Call& with(std::string_view name, const T& value) {
    data_.kwargs[name] = boost::json::value_from(value);
    return *this;
  }
  // In a chain: what was before gives it nothing.
  Call& immutable() { return set(data_.immutable, true); }
  template <class Other>
  Call& on_success(Call<Other> other) {
    data_.on_success.push_back(std::move(other.data()));
    return *this;
  }
  template <class Other>
  Call& on_failure(Call<Other> other) {
    data_.on_failure.push_back(std::move(other.data()));
    return *this;
  }

  const CallData& data() const noexcept { return data_; }
  CallData& data() noexcept { return data_; }

 private:
  template <class Field, class Value>
  Call& set(Field& field, Value&& value) {
    field = std::forward<Value>(value);
    return *this;
  }
  CallData data_;
};

template <class Signature>
class Task;

// The name and the types of a task; its arguments and its result are what Boost.JSON can convert
// (BOOST_DESCRIBE_STRUCT makes it know a structure). With the names of the arguments, callers may give them
// by name, as Celery's do.
template <class R, class... Args>
class Task<R(Args...)> {
 public:
  Task(std::string name, std::vector<std::string> argument_names = {})
      : name_(std::move(name)), argument_names_(std::move(argument_names)) {}

  const std::string& name() const noexcept { return name_; }
  const std::vector<std::string>& argument_names() const noexcept { return argument_names_; }

  Call<R> operator()(const Args&... args) const { return partial(args...); }
  // Some of the arguments: the rest is given by name, or by what comes before it in a chain.
  template <class... Some>
  Call<R> partial(const Some&... some) const {
    static_assert(sizeof...(Some) <= sizeof...(Args), "the task takes fewer arguments");
    CallData data;
    data.task = name_;
    data.args.reserve(sizeof...(Some));
    (data.args.push_back(boost::json::value_from(some)), ...);
    return Call<R>(std::move(data));
  }

 private:
  std::string name_;
  std::vector<std::string> argument_names_;
};

}  // namespace millrace::tasks
