// Calls put together.
//
//   producer.submit(chain(load("a"), resize.partial(640), store.partial()));    // each gets the result
//   before it std::vector<int> sums = producer.submit(group(add(1, 1), add(2, 2))).get();   // at the same
//   time producer.submit(chord(group(add(1, 1), add(2, 2)), total.partial()));         // then one with all
//   the results
#pragma once

#include <boost/asio/system_executor.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "millrace/tasks/call.hpp"
#include "millrace/tasks/result.hpp"

namespace millrace::tasks {

// The calls one after the other, as one call with the result of the last. A call that is not immutable gets
// the result before it as its first argument. When one fails, those behind it are not begun, and the failure
// is the chain's.
template <class R>
Call<R> chain(Call<R> only) {
  return only;
}
template <class First, class Second, class... More>
auto chain(Call<First> first, Call<Second> second, Call<More>... more) {
  auto rest = chain(std::move(second), std::move(more)...);
  CallData& tail = rest.data();
  CallData data = std::move(first.data());
  std::vector<CallData> behind = std::exchange(tail.next, {});
  data.next.push_back(std::move(tail));
  for (CallData& call : behind) data.next.push_back(std::move(call));
  return Call<typename decltype(rest)::Result>(std::move(data));
}

template <class R>
struct Group {
  std::vector<CallData> calls;

  void add(Call<R> call) { calls.push_back(std::move(call.data())); }
};

template <class R, class... More>
Group<R> group(Call<R> first, Call<More>... more) {
  static_assert((std::is_same_v<R, More> && ...), "the calls of a group have results of one type");
  Group<R> made;
  made.add(std::move(first));
  (made.add(std::move(more)), ...);
  return made;
}

namespace detail {

// Waits for the results of a group, until all are there or the first one has failed.
template <class R>
class AllResults : public std::enable_shared_from_this<AllResults<R>> {
 public:
  using Values = std::vector<R>;

  explicit AllResults(std::vector<Result<R>> results)
      : results_(std::move(results)), open_(results_.size()), values_(open_) {}

  void start(millrace::detail::Completion<Values> done) {
    done_ = std::move(done);
    if (results_.empty()) return done_.later(nullptr, {});
    for (std::size_t i = 0; i < results_.size(); ++i) {
      results_[i].async_get([self = this->shared_from_this(), i](std::exception_ptr error, R value) {
        self->arrived(i, std::move(error), std::move(value));
      });
    }
  }

 private:
  void arrived(std::size_t index, std::exception_ptr error, R value) {
    {
      const std::lock_guard lock(mutex_);
      if (open_ == 0) return;  // it has been told
      values_[index] = std::move(value);
      open_ = error ? 0 : open_ - 1;
      if (open_ > 0) return;
    }
    done_.later(error, error ? Values() : std::move(values_));
  }

  const std::vector<Result<R>> results_;
  std::mutex mutex_;
  std::size_t open_;
  Values values_;
  millrace::detail::Completion<Values> done_;
};

template <class R>
void start_get_all(AllResults<R>& all, millrace::detail::Completion<std::vector<R>> done) {
  all.start(std::move(done));
}

}  // namespace detail

template <class R>
class GroupResult {
 public:
  void add(Result<R> result) { results_.push_back(std::move(result)); }
  const std::vector<Result<R>>& each() const noexcept { return results_; }

  // All of them, in the order of the calls; throws the first failure. `timeout` is for all together.
  auto get(std::chrono::milliseconds timeout = std::chrono::hours(24)) const {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const auto left = [&] {
      return std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    };
    if constexpr (std::is_void_v<R>) {
      for (const Result<R>& result : results_) result.get(left());
    } else {
      std::vector<R> values;
      values.reserve(results_.size());
      for (const Result<R>& result : results_) values.push_back(result.get(left()));
      return values;
    }
  }

  // The same with a completion token: `std::vector<int> sums = co_await results.async_get();` Fails with the
  // first failure that comes. For groups of calls without a value, await each().
  template <class Token = DefaultToken>
  auto async_get(Token&& token = Token()) const {
    static_assert(!std::is_void_v<R>, "await each() of calls that return nothing");
    using All = detail::AllResults<R>;
    const Executor executor =
        results_.empty() ? Executor(boost::asio::system_executor()) : results_.front().executor();
    return boost::asio::async_initiate<Token, void(std::exception_ptr, std::vector<R>)>(
        millrace::detail::Initiation<All, &detail::start_get_all<R>, std::vector<R>>(
            std::make_shared<All>(results_), executor),
        token);
  }

 private:
  std::vector<Result<R>> results_;
};

// A group, and a call that gets the list of its results as its first argument. The results are counted in a
// durable queue of the broker; nothing polls. When a call of the group fails for good, the last one is not
// begun and the chord fails (ChordError).
template <class R>
struct Chord {
  std::vector<CallData> calls;
  CallData last;
};

template <class Each, class R>
Chord<R> chord(Group<Each> group, Call<R> last) {
  return {std::move(group.calls), std::move(last.data())};
}

}  // namespace millrace::tasks
