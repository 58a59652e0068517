// How far a Dag is, as the JSON that its queue holds, and what follows from a step's end. Pure.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "millrace/tasks/dag.hpp"
#include "millrace/tasks/result.hpp"

namespace millrace::tasks {

// The task that takes the end of a step into account; every worker knows it.
inline constexpr const char* kAdvanceTask = "millrace.dag.advance";

// Where its results go, and where its own calls do.
struct DagPlaces {
  std::string id;
  std::string queue;
  std::string reply_to;
  bool durable_result = false;
};

// As it is before its first step. Throws std::invalid_argument for what is none: no steps, two of one name, a
// step after one that is not before it, a chain as a step.
boost::json::object make_dag_state(const DagPlaces& places, const Dag& dag);
// The call by which it begins.
CallData first_advance(const DagPlaces& places);
// The call that cancels the dag of that id; `queue` is where its own calls go (queue_of).
CallData cancelling_advance(const std::string& id, const std::string& queue, bool running_too);
// The call that tells that a step or an undo, by its call's id, has ended badly. Nothing for an id that is
// neither.
std::optional<CallData> failing_advance(const std::string& call_id, const std::string& queue,
                                        const std::string& why);
std::string queue_of(const boost::json::object& state);
// A step or what undoes one: the dag is told how it ends, and nobody else is.
bool is_of_dag(const CallData& call);

// `cancelled` is of the whole dag, the others but `begin` of a step.
enum class DagEventKind : std::uint8_t { begin, succeeded, failed, undone, undo_failed, cancelled };

struct DagEvent {
  DagEventKind kind = DagEventKind::begin;
  std::size_t step = 0;
  boost::json::value result;  // of succeeded
  std::string why;            // of failed and undo_failed
  bool running_too = false;   // of cancelled: steps that run are to be stopped
};

// Of the arguments of an advance call. Throws for what is none.
std::string dag_of(const CallData& call);
DagEvent event_of(const CallData& call);

struct DagMoves {
  std::vector<std::string> revoked;  // ids of calls that need not be carried out any more
  bool changed = false;              // the state is to be kept
  std::vector<CallData> calls;       // to be submitted before that
  bool ended = false;
  Status status;  // then: its result
};

// An event that is known already changes nothing.
DagMoves advance(boost::json::object& state, const DagEvent& event);

}  // namespace millrace::tasks
