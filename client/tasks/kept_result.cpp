#include "client/tasks/kept_result.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "client/tasks/result_message.hpp"
#include "millrace/coroutines.hpp"

namespace millrace::tasks {
namespace {

// A queue that goes sooner could be gone before its message is there.
constexpr Milliseconds kShortest{1000};
constexpr Milliseconds kLongest{4'294'967'295};  // the most that x-expires takes

}  // namespace

std::string kept_result_queue_name(const std::string& id) {
  return "millrace.result." + id;
}

QueueSpec kept_result_queue(const std::string& id, Milliseconds time) {
  QueueSpec queue(kept_result_queue_name(id));
  // Classic, wherever a vhost has another default: a look is a delivery, and others count these.
  queue.arguments = {{"x-queue-type", "classic"},
                     {"x-expires", std::int64_t{std::clamp(time, kShortest, kLongest).count()}},
                     {"x-max-length", 1}};  // the last outcome takes the place of the one before it
  queue.declare_again = false;
  return queue;
}

Message kept_result(const Request& request, const Status& status, const boost::json::array& children) {
  Message message = encode_result(request, status, children);
  if (message.body.size() > kKeptBytesMax) {
    Status too_large;
    too_large.state = State::failure;
    too_large.name = to_string(State::failure);
    too_large.error_type = "ResultTooLarge";
    too_large.error_text = "it ended as " + status.name + " with " + std::to_string(message.body.size()) +
                           " bytes, and " + std::to_string(kKeptBytesMax) + " are kept";
    message = encode_result(request, too_large, {});
  }
  message.persistent = true;
  message.mandatory = true;
  return message;
}

void declare_kept_result(Client& client, const Executor& executor, QueueSpec queue, Then then) {
  auto declared = [&client, executor, name = queue.name, then = std::move(then)](std::exception_ptr error,
                                                                                 const QueueInfo&) {
    if (Failure(error).kind() != ErrorKind::precondition) return then(error);
    // Another time, or the vhost has as many queues as it may?
    auto inspected = [error, then](std::exception_ptr missing, const QueueInfo&) {
      then(missing ? error : nullptr);
    };
    client.async_inspect_queue(name, bind_executor(executor, std::move(inspected)));
  };
  client.async_declare_queue(std::move(queue), bind_executor(executor, std::move(declared)));
}

void keep_result(Client& client, const std::shared_ptr<ResultsExchange>& exchange, const std::string& id,
                 Milliseconds time, Message message, Then then) {
  auto held = std::make_shared<Message>(std::move(message));
  auto declared = [&client, exchange, id, held, then = std::move(then)](std::exception_ptr error) {
    if (error) return then(error);
    auto published = [exchange, id, then](std::exception_ptr failed, const Receipt&) {
      if (!failed) exchange->tell(id);
      // The connection was lost for longer than the result was to be kept.
      const bool is_over = Failure(failed).kind() == ErrorKind::unroutable;
      then(is_over ? nullptr : failed);
    };
    client.async_publish(Address(kept_result_queue_name(id)), std::move(*held), std::move(published));
  };
  exchange->declare();
  declare_kept_result(client, client.executor(), kept_result_queue(id, time), std::move(declared));
}

}  // namespace millrace::tasks
