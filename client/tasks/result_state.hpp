// What a Result shows: fed by the producer as results come. Any thread.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "millrace/tasks/result.hpp"

namespace millrace::tasks::detail {

class ProducerCore;

class ResultState : public std::enable_shared_from_this<ResultState> {
 public:
  // `expected`: the producer knows it by its id, and is told when it goes.
  ResultState(std::string id, std::weak_ptr<ProducerCore> producer, Executor executor, bool expected);
  ~ResultState();

  void update(const Status& status);
  // No result will come any more, for this reason.
  void give_up(const std::exception_ptr& why);

  void wait(millrace::detail::Completion<boost::json::value> done);
  boost::json::value wait(std::chrono::milliseconds timeout);
  Status status() const;
  void listen(std::function<void(const Status&)> listener);
  void cancel(bool running_too);

  const std::string& id() const noexcept { return id_; }
  const Executor& executor() const noexcept { return executor_; }

 private:
  bool over() const noexcept { return is_final(status_.state) || given_up_; }
  std::exception_ptr error() const;  // null: success

  const std::string id_;
  const std::weak_ptr<ProducerCore> producer_;
  const Executor executor_;
  const bool expected_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Status status_;
  std::exception_ptr given_up_;
  std::vector<millrace::detail::Completion<boost::json::value>> waiting_;
  std::vector<std::function<void(const Status&)>> listeners_;
  // Somebody waits without holding the handle.
  std::shared_ptr<ResultState> kept_;
};

}  // namespace millrace::tasks::detail
