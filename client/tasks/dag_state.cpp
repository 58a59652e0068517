#include "client/tasks/dag_state.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <stdexcept>
#include <utility>

#include "client/tasks/json_text.hpp"
#include "client/tasks/task_message.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

// A call that is submitted twice, because the worker died in between, is so within that time.
constexpr std::chrono::hours kCallRemembered{24};

constexpr std::array<std::string_view, 6> kEventNames{"begin",  "succeeded",   "failed",
                                                      "undone", "undo_failed", "cancelled"};
constexpr std::string_view kUndo = "-undo";

bool is(const json::object& step, std::string_view state) {
  return step.at("state").as_string() == state;
}

void check(const Dag& dag) {
  if (dag.steps.empty()) throw std::invalid_argument("a dag needs at least one step");
  std::set<std::string> before;
  for (const Dag::Step& step : dag.steps) {
    for (const std::string& name : step.after_steps) {
      if (!before.contains(name))
        throw std::invalid_argument("the step '" + step.name + "' comes after '" + name +
                                    "', which is no step before it");
    }
    const bool chained = !step.call.next.empty() || (step.undo_call && !step.undo_call->next.empty());
    if (chained)
      throw std::invalid_argument("the step '" + step.name + "' is a chain: make a step of each call");
    if (!before.insert(step.name).second)
      throw std::invalid_argument("there are two steps '" + step.name + "'");
  }
}

CallData advance_call(const std::string& dag, const std::string& queue, std::int64_t step,
                      DagEventKind kind) {
  CallData call;
  call.task = kAdvanceTask;
  call.queue = queue;
  call.args = {dag, step, kEventNames[static_cast<std::size_t>(kind)]};
  call.ignore_result = true;
  return call;
}

std::string call_id(const std::string& dag, std::size_t step) {
  return dag + "-" + std::to_string(step);
}

// A step's call or what undoes it: once for each dag, and whoever carries it out tells how it ended.
CallData call_of(const json::object& state, const json::value& signature, std::size_t step, bool undo) {
  const std::string dag = text_in(state, "id");
  const std::string queue = text_in(state, "queue");
  CallData call = call_from_signature(signature.as_object());
  call.id = call_id(dag, step);
  if (undo) call.id += kUndo;
  if (call.queue.empty()) call.queue = queue;
  call.root_id = dag;
  call.unique_key = call.id;
  call.unique_for = kCallRemembered;
  // What Celery's worker revokes, or does not know, it tells nobody but who waits for the result.
  call.ignore_result = false;
  const auto tell = [&](DagEventKind kind) {
    return advance_call(dag, queue, static_cast<std::int64_t>(step), kind);
  };
  call.on_success.push_back(tell(undo ? DagEventKind::undone : DagEventKind::succeeded));
  call.on_failure.push_back(tell(undo ? DagEventKind::undo_failed : DagEventKind::failed));
  return call;
}

// What it comes after, in the order in which it names them.
std::vector<const json::object*> before(const json::object& state, const json::object& step) {
  std::vector<const json::object*> found;
  const json::array& steps = state.at("steps").as_array();
  for (const json::value& index : step.at("after").as_array())
    found.push_back(&steps.at(index.to_number<std::size_t>()).as_object());
  return found;
}

bool apply(json::object& state, const DagEvent& event) {
  if (event.kind == DagEventKind::begin) return !std::exchange(state.at("begun").as_bool(), true);
  if (event.kind == DagEventKind::cancelled) {
    if (!state.at("failure").is_null()) return false;  // it has come to an end already
    state.at("begun") = true;
    state["cancelled"] = true;
    state["failure"] = "cancelled";
    return true;
  }
  json::object& step = state.at("steps").as_array().at(event.step).as_object();
  switch (event.kind) {
    case DagEventKind::begin:
    case DagEventKind::cancelled:
      return false;
    case DagEventKind::succeeded:
      if (!is(step, "running")) return false;
      step["state"] = "done";
      step["result"] = event.result;
      state.at("finished").as_array().push_back(event.step);
      return true;
    case DagEventKind::failed:
      if (!is(step, "running")) return false;
      step["state"] = "failed";
      if (state.at("failure").is_null())
        state["failure"] = "step '" + text_in(step, "name") + "' failed: " + event.why;
      return true;
    case DagEventKind::undone:
    case DagEventKind::undo_failed:
      if (!is(step, "undoing")) return false;
      step["state"] = event.kind == DagEventKind::undone ? "undone" : "undo_failed";
      return true;
  }
  return false;
}

void begin_steps(json::object& state, DagMoves& moves) {
  json::array& steps = state.at("steps").as_array();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    json::object& step = steps[i].as_object();
    if (!is(step, "waiting")) continue;
    const auto dependencies = before(state, step);
    const bool ready = std::all_of(dependencies.begin(), dependencies.end(),
                                   [](const json::object* one) { return is(*one, "done"); });
    if (!ready) continue;
    CallData call = call_of(state, step.at("call"), i, false);
    if (!call.immutable) {
      json::array args;
      for (const json::object* one : dependencies) args.push_back(one->at("result"));
      args.insert(args.end(), call.args.begin(), call.args.end());
      call.args = std::move(args);
    }
    step["state"] = "running";
    moves.calls.push_back(std::move(call));
  }
}

// The last that finished and can be undone; false: there is none left.
bool undo_next(json::object& state, DagMoves& moves) {
  json::array& finished = state.at("finished").as_array();
  while (!finished.empty()) {
    const auto index = finished.back().to_number<std::size_t>();
    finished.pop_back();
    json::object& step = state.at("steps").as_array().at(index).as_object();
    if (step.at("undo").is_null()) continue;
    CallData call = call_of(state, step.at("undo"), index, true);
    if (!call.immutable) call.args.insert(call.args.begin(), step.at("result"));
    step["state"] = "undoing";
    moves.calls.push_back(std::move(call));
    return true;
  }
  return false;
}

bool any(const json::object& state, std::string_view what) {
  const json::array& steps = state.at("steps").as_array();
  return std::any_of(steps.begin(), steps.end(),
                     [&](const json::value& step) { return is(step.as_object(), what); });
}

std::string names_of(const json::object& state, std::string_view what) {
  std::string names;
  for (const json::value& step : state.at("steps").as_array()) {
    if (!is(step.as_object(), what)) continue;
    names += (names.empty() ? "" : ", ") + text_in(step.as_object(), "name");
  }
  return names;
}

// Not what undoes: that is to be done.
std::vector<std::string> running_calls(const json::object& state) {
  std::vector<std::string> found;
  const json::array& steps = state.at("steps").as_array();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (is(steps[i].as_object(), "running")) found.push_back(call_id(text_in(state, "id"), i));
  }
  return found;
}

Status success_of(const json::object& state) {
  json::object results;
  for (const json::value& step : state.at("steps").as_array())
    results[step.at("name").as_string()] = step.at("result");
  Status status;
  status.state = State::success;
  status.value = std::move(results);
  return status;
}

Status failure_of(const json::object& state) {
  Status status;
  const bool cancelled = state.contains("cancelled");
  status.state = cancelled ? State::revoked : State::failure;
  status.error_type = cancelled ? "TaskRevokedError" : "DagError";
  status.error_text = text_in(state, "failure");
  if (const std::string undone = names_of(state, "undone"); !undone.empty())
    status.error_text += "; undone: " + undone;
  if (const std::string left = names_of(state, "undo_failed"); !left.empty())
    status.error_text += "; could not be undone: " + left;
  return status;
}

}  // namespace

json::object make_dag_state(const DagPlaces& places, const Dag& dag) {
  check(dag);
  json::array steps;
  for (const Dag::Step& step : dag.steps) {
    json::array after;
    for (const std::string& name : step.after_steps) {
      const auto at = std::find_if(dag.steps.begin(), dag.steps.end(),
                                   [&](const Dag::Step& one) { return one.name == name; });
      after.push_back(at - dag.steps.begin());
    }
    json::value undo;
    if (step.undo_call) undo = signature_of(*step.undo_call, "");
    steps.push_back(json::object{{"name", step.name},
                                 {"call", signature_of(step.call, "")},
                                 {"undo", std::move(undo)},
                                 {"after", std::move(after)},
                                 {"state", "waiting"},
                                 {"result", nullptr}});
  }
  return {{"id", places.id},
          {"version", 0},
          {"keep_result_for", dag.keep_result_for.count()},
          {"queue", places.queue},
          {"reply_to", places.reply_to},
          {"durable_result", places.durable_result},
          {"begun", false},
          {"steps", std::move(steps)},
          {"finished", json::array()},
          {"failure", nullptr}};
}

CallData first_advance(const DagPlaces& places) {
  CallData call = advance_call(places.id, places.queue, 0, DagEventKind::begin);
  call.args.insert(call.args.begin(), nullptr);
  return call;
}

CallData cancelling_advance(const std::string& id, const std::string& queue, bool running_too) {
  CallData call = advance_call(id, queue, 0, DagEventKind::cancelled);
  call.args.insert(call.args.begin(), nullptr);
  call.kwargs["running_too"] = running_too;
  return call;
}

std::optional<CallData> failing_advance(const std::string& call_id, const std::string& queue,
                                        const std::string& why) {
  std::string_view rest = call_id;
  const bool undo = rest.ends_with(kUndo);
  if (undo) rest.remove_suffix(kUndo.size());
  const auto dash = rest.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  std::int64_t step = 0;
  const char* const end = rest.data() + rest.size();
  const auto read = std::from_chars(rest.data() + dash + 1, end, step);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  CallData call = advance_call(std::string(rest.substr(0, dash)), queue, step,
                               undo ? DagEventKind::undo_failed : DagEventKind::failed);
  call.args.insert(call.args.begin(), nullptr);
  call.kwargs["why"] = why;
  return call;
}

std::string queue_of(const json::object& state) {
  return text_in(state, "queue");
}

bool is_of_dag(const CallData& call) {
  return std::any_of(call.on_failure.begin(), call.on_failure.end(),
                     [](const CallData& errback) { return errback.task == kAdvanceTask; });
}

std::string dag_of(const CallData& call) {
  return json::value_to<std::string>(call.args.at(1));
}

DagEvent event_of(const CallData& call) {
  const auto name = std::find(kEventNames.begin(), kEventNames.end(), call.args.at(3).as_string());
  if (name == kEventNames.end()) throw std::invalid_argument("it tells of no event of a dag");
  DagEvent event;
  event.kind = static_cast<DagEventKind>(name - kEventNames.begin());
  event.step = call.args.at(2).to_number<std::size_t>();
  if (event.kind == DagEventKind::succeeded) event.result = call.args.at(0);
  if (const json::value* why = call.kwargs.if_contains("why"); why != nullptr && why->is_string())
    event.why = json::value_to<std::string>(*why);
  if (const json::value* running = call.kwargs.if_contains("running_too"); running != nullptr)
    event.running_too = running->as_bool();
  return event;
}

DagMoves advance(json::object& state, const DagEvent& event) {
  DagMoves moves;
  if (event.kind == DagEventKind::cancelled) moves.revoked = running_calls(state);
  moves.changed = apply(state, event);
  if (!moves.changed) return moves;
  state["version"] = state.at("version").to_number<std::int64_t>() + 1;
  if (state.at("failure").is_null()) {
    begin_steps(state, moves);
    moves.ended = !any(state, "running");
    if (moves.ended) moves.status = success_of(state);
  } else if (!any(state, "running") && !any(state, "undoing") && !undo_next(state, moves)) {
    moves.ended = true;
    moves.status = failure_of(state);
  }
  moves.status.name = to_string(moves.status.state);
  return moves;
}

}  // namespace millrace::tasks
