// Steps that depend on one another, and what undoes them (a saga).
//
//   Dag order;
//   order.step("reserve", reserve(17)).undo(release(17).immutable());
//   order.step("pay", pay(17, 30)).undo(refund.partial());                    // gets what pay returned
//   order.step("ship", ship.partial(17)).after({"reserve", "pay"});           // gets both results, then 17
//   boost::json::value results = producer.submit(order).get();                // {"reserve": ..., ...}
//
// Steps run as soon as those that they come after have succeeded, at the same time where they may. When one
// fails for good, is cancelled or expires, no further one is begun; those that run are waited for; then what
// undoes the finished ones runs, one after the other, the last finished first; and then the result is the
// failure. An undo that fails for good is left to the dead letters, and the others go on.
//
// To cancel it (Result::cancel, Producer::cancel) is to have it fail now: no further step is begun, those
// that have not begun are dropped, those that run are stopped, or waited for without `running_too`; what
// finished is undone, and the result is REVOKED. A step that was stopped is not undone, like one that failed.
// One that is being undone already, or has ended, goes on as it would.
//
// The broker holds how far it is, in a durable queue `millrace.dag.ID`, which goes with its end, or a week
// after its last step. Each step is a call like others, and may come twice as they may: whatever dies, each
// step's end is taken into account once. The steps may be Celery's, whose workers need the result back end
// rpc:// to tell what they revoke; the queue of the Dag needs workers of this library, and the broker has to
// hold delays and unique calls, as for chords.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

class Dag {
 public:
  struct Step {
    std::string name;
    CallData call;
    std::vector<std::string> after_steps;
    std::optional<CallData> undo_call;

    // Steps that were added before this one. Unless its call is immutable, it gets their results as its first
    // arguments, in this order.
    Step& after(std::vector<std::string> names) {
      after_steps = std::move(names);
      return *this;
    }
    // Unless it is immutable, it gets the step's result as its first argument.
    template <class R>
    Step& undo(Call<R> what) {
      undo_call = std::move(what.data());
      return *this;
    }
  };

  // The reference holds until the next step is added.
  template <class R>
  Step& step(std::string name, Call<R> call) {
    steps.push_back({std::move(name), std::move(call.data()), {}, std::nullopt});
    return steps.back();
  }

  // Others may ask for its result, by the id of Result::id, for that long after its end. See
  // CallData::keep_result_for.
  Dag& keep_result(Milliseconds time) {
    keep_result_for = time;
    return *this;
  }

  std::vector<Step> steps;
  Milliseconds keep_result_for{0};
};

}  // namespace millrace::tasks
