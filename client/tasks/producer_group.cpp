// Submitting a group: many calls under way at once, so that they share writes and syncs.
#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "client/src/blocking.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/producer_core.hpp"
#include "millrace/coroutines.hpp"

namespace millrace::tasks::detail {
namespace {

using Results = std::vector<UntypedResult>;
using AllDone = millrace::detail::Completion<Results>;
using Ended = std::function<void(std::exception_ptr, Results)>;

// The next one is submitted when one of these is confirmed.
constexpr std::size_t kTogether = 256;

class Submission : public std::enable_shared_from_this<Submission> {
 public:
  Submission(std::shared_ptr<ProducerCore> core, Executor executor, std::vector<CallData> calls,
             std::function<bool()> is_given_up, Ended done)
      : core_(std::move(core)),
        executor_(std::move(executor)),
        calls_(std::move(calls)),
        is_given_up_(std::move(is_given_up)),
        results_(calls_.size()),
        done_(std::move(done)) {}

  void start() {
    const std::size_t first = std::clamp<std::size_t>(calls_.size(), 1, kTogether);
    for (std::size_t i = 0; i < first; ++i) go_on();
  }

 private:
  // Submits one more, or tells that all have been.
  void go_on() {
    std::optional<std::size_t> index;
    {
      const std::lock_guard lock(mutex_);
      const bool is_left = next_ < calls_.size();
      if (is_left && !error_ && is_given_up_()) error_ = given_up();
      if (is_left && !error_) {
        index = next_++;
        ++open_;
      } else if (open_ > 0 || std::exchange(told_, true)) {
        return;
      }
    }
    if (!index) return done_(error_, error_ ? Results() : std::move(results_));
    auto submitted = [self = shared_from_this(), at = *index](std::exception_ptr error,
                                                              UntypedResult result) {
      self->ended(at, std::move(error), std::move(result));
    };
    ProducerCore::Done done(bind_executor(executor_, std::move(submitted)), core_->executor());
    UntypedResult& result = std::get<0>(done.results());
    core_->submit(std::move(calls_[*index]), result, std::move(done).without_results());
  }

  void ended(std::size_t index, std::exception_ptr error, UntypedResult result) {
    {
      const std::lock_guard lock(mutex_);
      --open_;
      results_[index] = std::move(result);
      if (error && !error_) error_ = std::move(error);
    }
    go_on();
  }

  const std::shared_ptr<ProducerCore> core_;
  const Executor executor_;
  std::vector<CallData> calls_;
  const std::function<bool()> is_given_up_;
  std::mutex mutex_;
  Results results_;
  std::size_t next_ = 0;
  std::size_t open_ = 0;
  std::exception_ptr error_;
  bool told_ = false;
  const Ended done_;
};

void number(std::vector<CallData>& calls) {
  const std::string id = make_id();
  std::int64_t index = 0;
  for (CallData& call : calls) {
    call.group = id;
    call.group_index = index++;
  }
}

}  // namespace

// On the producer's own loop: who waits for this in a callback of the client's does not wait for himself.
void ProducerCore::submit_each(std::vector<CallData> calls, std::function<bool()> is_given_up,
                               SubmittedAll done) {
  std::make_shared<Submission>(shared_from_this(), loop_->executor(), std::move(calls),
                               std::move(is_given_up), std::move(done))
      ->start();
}

void ProducerCore::submit_all(std::vector<CallData> calls, AllDone done) {
  const auto caller = caller_of(std::move(done));
  submit_each(std::move(calls), left_by([caller] { return caller->is_told(); }),
              [caller](std::exception_ptr error, Results results) {
                caller->tell(std::move(error), std::move(results));
              });
}

Results submit_group(ProducerCore& core, std::vector<CallData> calls) {
  number(calls);
  return client::wait_for<Results>([&](AllDone done) { core.submit_all(std::move(calls), std::move(done)); });
}

void start_submit_group(ProducerCore& core, std::vector<CallData> calls, AllDone done) {
  number(calls);
  core.submit_all(std::move(calls), std::move(done));
}

}  // namespace millrace::tasks::detail
