// What follows from the ends of steps, without a broker.
#include "client/tasks/dag_state.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "base/prng.hpp"
#include "millrace/tasks/canvas.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
using Kind = DagEventKind;

const Task<int(int, int)> add{"add", {"x", "y"}};
const Task<void(int)> undo_add{"undo_add"};

const DagPlaces kPlaces{"d", "q", "replies", false};

DagEvent event(Kind kind, std::size_t step = 0, json::value result = {}) {
  return {kind, step, std::move(result), kind == Kind::failed ? "because" : ""};
}

std::vector<std::string> ids(const DagMoves& moves) {
  std::vector<std::string> found;
  for (const CallData& call : moves.calls) found.push_back(call.id);
  return found;
}

Dag diamond() {
  Dag dag;
  dag.step("a", add(1, 2)).undo(undo_add.partial());
  dag.step("b", add.partial(10)).after({"a"}).undo(undo_add(5).immutable());
  dag.step("c", add.partial(20)).after({"a"}).undo(undo_add.partial());
  dag.step("d", add.partial()).after({"c", "b"}).undo(undo_add.partial());
  return dag;
}

TEST(DagState, begins_a_step_when_those_before_it_are_done) {
  json::object state = make_dag_state(kPlaces, diamond());
  EXPECT_EQ(ids(advance(state, event(Kind::begin))), (std::vector<std::string>{"d-0"}));
  const DagMoves two = advance(state, event(Kind::succeeded, 0, 3));
  EXPECT_EQ(ids(two), (std::vector<std::string>{"d-1", "d-2"}));
  EXPECT_EQ(two.calls[0].args, (json::array{3, 10}));
  EXPECT_TRUE(advance(state, event(Kind::succeeded, 1, 13)).calls.empty());
  const DagMoves last = advance(state, event(Kind::succeeded, 2, 23));
  ASSERT_EQ(ids(last), (std::vector<std::string>{"d-3"}));
  EXPECT_EQ(last.calls[0].args, (json::array{23, 13})) << "in the order in which it names them";
  const DagMoves end = advance(state, event(Kind::succeeded, 3, 36));
  EXPECT_TRUE(end.ended);
  EXPECT_EQ(end.status.value, (json::object{{"a", 3}, {"b", 13}, {"c", 23}, {"d", 36}}));
}

TEST(DagState, undoes_what_finished_in_reverse_when_nothing_runs_any_more) {
  json::object state = make_dag_state(kPlaces, diamond());
  (void)advance(state, event(Kind::begin));
  (void)advance(state, event(Kind::succeeded, 0, 3));
  EXPECT_TRUE(advance(state, event(Kind::failed, 2)).calls.empty()) << "b runs still";
  const DagMoves first = advance(state, event(Kind::succeeded, 1, 13));
  ASSERT_EQ(ids(first), (std::vector<std::string>{"d-1-undo"}));
  EXPECT_EQ(first.calls[0].args, (json::array{5}));
  const DagMoves second = advance(state, event(Kind::undo_failed, 1));
  ASSERT_EQ(ids(second), (std::vector<std::string>{"d-0-undo"}));
  EXPECT_EQ(second.calls[0].args, (json::array{3}));
  const DagMoves end = advance(state, event(Kind::undone, 0));
  EXPECT_TRUE(end.ended);
  EXPECT_EQ(end.status.state, State::failure);
  EXPECT_EQ(end.status.error_text, "step 'c' failed: because; undone: a; could not be undone: b");
}

TEST(DagState, tells_its_calls_whom_to_tell) {
  json::object state = make_dag_state(kPlaces, diamond());
  const DagMoves moves = advance(state, event(Kind::begin));
  const CallData& call = moves.calls.at(0);
  EXPECT_EQ(call.unique_key, "d-0");
  CallData told = call.on_success.at(0);
  told.args.insert(told.args.begin(), 7);  // as the worker does
  EXPECT_EQ(dag_of(told), "d");
  EXPECT_EQ(event_of(told).kind, Kind::succeeded);
  EXPECT_EQ(event_of(told).result, 7);
  told = call.on_failure.at(0);
  told.args.insert(told.args.begin(), "d-0");
  told.kwargs["why"] = "because";
  EXPECT_EQ(event_of(told).kind, Kind::failed);
  EXPECT_EQ(event_of(told).why, "because");
}

TEST(DagState, undoes_what_is_done_when_it_is_cancelled_and_begins_nothing_more) {
  json::object state = make_dag_state(kPlaces, diamond());
  (void)advance(state, event(Kind::begin));
  (void)advance(state, event(Kind::succeeded, 0, 3));
  const DagMoves stopped = advance(state, event(Kind::cancelled));
  EXPECT_EQ(stopped.revoked, (std::vector<std::string>{"d-1", "d-2"}));
  EXPECT_TRUE(stopped.calls.empty()) << "both run still";
  EXPECT_TRUE(advance(state, event(Kind::failed, 1)).calls.empty()) << "c runs still";
  const DagMoves first = advance(state, event(Kind::succeeded, 2, 23));
  ASSERT_EQ(ids(first), (std::vector<std::string>{"d-2-undo"}));
  const DagMoves again = advance(state, event(Kind::cancelled));
  EXPECT_FALSE(again.changed);
  EXPECT_TRUE(again.revoked.empty()) << "what undoes is not stopped";
  ASSERT_EQ(ids(advance(state, event(Kind::undone, 2))), (std::vector<std::string>{"d-0-undo"}));
  const DagMoves end = advance(state, event(Kind::undone, 0));
  EXPECT_TRUE(end.ended);
  EXPECT_EQ(end.status.name, "REVOKED");
  EXPECT_EQ(end.status.error_type, "TaskRevokedError");
  EXPECT_EQ(end.status.error_text, "cancelled; undone: a, c");
}

TEST(DagState, ends_at_once_when_it_is_cancelled_before_it_begins) {
  json::object state = make_dag_state(kPlaces, diamond());
  EXPECT_TRUE(advance(state, event(Kind::cancelled)).ended);
  EXPECT_FALSE(advance(state, event(Kind::begin)).changed);
}

TEST(DagState, stays_a_failure_when_it_is_cancelled_after_one) {
  json::object state = make_dag_state(kPlaces, diamond());
  (void)advance(state, event(Kind::begin));
  (void)advance(state, event(Kind::succeeded, 0, 3));
  (void)advance(state, event(Kind::failed, 1));
  EXPECT_EQ(advance(state, event(Kind::cancelled)).revoked, (std::vector<std::string>{"d-2"}));
  (void)advance(state, event(Kind::failed, 2));
  EXPECT_EQ(advance(state, event(Kind::undone, 0)).status.error_type, "DagError");
}

TEST(DagState, knows_its_calls_by_their_ids) {
  const auto step = failing_advance("d-12", "q", "because");
  ASSERT_TRUE(step);
  EXPECT_EQ(dag_of(*step), "d");
  EXPECT_EQ(event_of(*step).kind, Kind::failed);
  EXPECT_EQ(event_of(*step).step, 12U);
  EXPECT_EQ(event_of(*step).why, "because");
  const auto undo = failing_advance("a-b-0-undo", "q", "");
  ASSERT_TRUE(undo);
  EXPECT_EQ(dag_of(*undo), "a-b");
  EXPECT_EQ(event_of(*undo).kind, Kind::undo_failed);
  for (const char* id : {"", "d", "-1", "d-", "d-x", "d-1x", "d-1-redo", "-undo"})
    EXPECT_FALSE(failing_advance(id, "q", "")) << id;
  const CallData cancelling = cancelling_advance("d", "q", true);
  EXPECT_EQ(event_of(cancelling).kind, Kind::cancelled);
  EXPECT_TRUE(event_of(cancelling).running_too);
}

TEST(DagState, refuses_what_is_no_dag) {
  const auto refused = [](const Dag& dag) {
    EXPECT_THROW(make_dag_state(kPlaces, dag), std::invalid_argument);
  };
  refused(Dag());
  Dag twice;
  twice.step("a", add(1, 2));
  twice.step("a", add(1, 2));
  refused(twice);
  Dag circle;
  circle.step("a", add(1, 2)).after({"b"});
  circle.step("b", add(1, 2)).after({"a"});
  refused(circle);
  Dag chained;
  chained.step("a", chain(add(1, 2), add.partial(3)));
  refused(chained);
}

// Whatever the order of ends, and however often each is told.
TEST(DagState, keeps_its_rules_at_random) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng random(seed);
    Dag dag;
    const std::size_t size = 1 + random.below(8);
    std::vector<std::set<std::size_t>> after(size);
    for (std::size_t i = 0; i < size; ++i) {
      std::vector<std::string> names;
      for (std::size_t j = 0; j < i; ++j) {
        if (random.below(3) != 0) continue;
        names.push_back(std::to_string(j));
        after[i].insert(j);
      }
      auto& step = dag.step(std::to_string(i), add.partial()).after(names);
      if (random.below(4) != 0) step.undo(undo_add.partial());
    }
    json::object state = make_dag_state(kPlaces, dag);
    std::set<std::size_t> running;
    std::set<std::size_t> begun;
    std::vector<std::size_t> done;    // in this order
    std::vector<std::size_t> undone;  // likewise
    std::vector<DagEvent> told;
    bool failed = false;
    unsigned ended = 0;
    std::optional<std::size_t> undoing;
    const auto take = [&](const DagMoves& moves) {
      for (const CallData& call : moves.calls) {
        const std::string name = call.id.substr(2);
        const auto index = static_cast<std::size_t>(std::stoul(name));
        if (name.ends_with("-undo")) {
          EXPECT_TRUE(failed && running.empty() && !undoing);
          undoing = index;
          continue;
        }
        EXPECT_FALSE(failed);
        EXPECT_TRUE(begun.insert(index).second);
        for (const std::size_t one : after[index])
          EXPECT_NE(std::find(done.begin(), done.end(), one), done.end());
        running.insert(index);
      }
      ended += moves.ended;
    };
    const auto tell = [&](const DagEvent& what) {
      take(advance(state, what));
      told.push_back(what);
      const DagEvent again = told[random.below(told.size())];
      EXPECT_FALSE(advance(state, again).changed);
    };
    tell(event(Kind::begin));
    while (!running.empty() || undoing) {
      if (undoing) {
        const std::size_t one = *std::exchange(undoing, std::nullopt);
        undone.push_back(one);
        tell(event(random.below(4) == 0 ? Kind::undo_failed : Kind::undone, one));
        continue;
      }
      auto chosen = running.begin();
      std::advance(chosen, static_cast<std::ptrdiff_t>(random.below(running.size())));
      if (random.below(16) == 0) {
        failed = true;
        tell(event(Kind::cancelled));
      }
      const std::size_t one = *chosen;
      running.erase(chosen);
      const bool fails = random.below(8) == 0;
      if (fails)
        failed = true;
      else
        done.push_back(one);
      tell(event(fails ? Kind::failed : Kind::succeeded, one, 1));
    }
    EXPECT_EQ(ended, 1U);
    std::vector<std::size_t> expected;
    for (auto one = done.rbegin(); failed && one != done.rend(); ++one) {
      if (dag.steps[*one].undo_call) expected.push_back(*one);
    }
    EXPECT_EQ(undone, expected);
    if (!failed) {
      EXPECT_EQ(done.size(), size);
    }
  }
}

}  // namespace
}  // namespace millrace::tasks
