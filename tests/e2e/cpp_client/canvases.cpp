// The verbs of tasks_driver about several calls together, and about results that others ask for.
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <future>
#include <iostream>
#include <millrace/coroutines.hpp>
#include <numeric>

#include "cpp_client/tasks_driver.hpp"

namespace tasks_driver {

using millrace::awaitable;
using millrace::use_awaitable;
namespace json = boost::json;

void chains(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  check(producer.submit(chain(add(1, 2), add.partial(10), add.partial(100))).get(20s) == 113,
        "each gets the result before it");
  const std::string text = failure_of(
      [&] { producer.submit(chain(add(1, 2), never_again().immutable(), add.partial(100))).get(20s); });
  check(text == "Reject: no use", "a chain that breaks tells its caller: " + text);
  const std::string late = failure_of(
      [&] { producer.submit(chain(add(1, 2), add.partial(1).expires_in(-1s), add.partial(2))).get(20s); });
  check(late == "TaskRevokedError: expired", "so does one that is too late: " + late);
  CallData unheard_of;
  unheard_of.task = "tasks.unheard_of";
  const std::string unknown =
      failure_of([&] { producer.submit(chain(add(1, 2), Call<int>(unheard_of), add.partial(2))).get(20s); });
  check(unknown.starts_with("NotRegistered"), "and one with a task that nobody knows: " + unknown);
}

void groups(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const std::vector<int> sums = producer.submit(group(add(1, 1), add(2, 2), add(3, 3))).get(20s);
  check(sums == std::vector<int>{2, 4, 6}, "results come in the order of the calls");
  Group<int> many;
  for (int i = 0; i < 1000; ++i) many.add(add(i, 1));
  const auto in_order = [](const std::vector<int>& numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) check(numbers[i] == static_cast<int>(i) + 1, "in order");
    return numbers.size() == 1000;
  };
  check(
      in_order(producer.async_submit(many, millrace::use_future).get().async_get(millrace::use_future).get()),
      "a group is submitted and awaited by any token");
  Group<int> one_fails;
  one_fails.add(add(1, 1));
  one_fails.add(add.partial("a", 1));
  const std::string failed =
      failure_of([&] { producer.submit(one_fails).async_get(millrace::use_future).get(); });
  check(failed.starts_with("TypeError"), "its failure is that of the first that fails: " + failed);
  check(producer.submit(Group<int>()).async_get(millrace::use_future).get().empty(),
        "none at all are there at once");
  for (int size = 1; size <= arguments.count; size *= 4) {
    Group<int> numbers;
    for (int i = 0; i < size; ++i) numbers.add(add(i, 1));
    check(producer.submit(chord(numbers, total.partial())).get(20s) == size * (size + 1) / 2,
          "a chord of " + std::to_string(size) + " ends with all its results");
  }
  Group<int> of_chains;
  for (int i = 0; i < 3; ++i) of_chains.add(chain(add(i, 1), add.partial(10)));
  check(producer.submit(chord(of_chains, total.partial())).get(20s) == 36, "a chord of chains");
  Group<void> broken;
  broken.add(never_again());
  broken.add(never_again());
  const std::string text = failure_of([&] { producer.submit(chord(broken, total.partial())).get(20s); });
  check(text.starts_with("ChordError"), "a chord with a failure fails: " + text);
  const auto late = group(add(1, 1), add(2, 2).expires_in(-1s));
  const std::string too_late = failure_of([&] { producer.submit(chord(late, total.partial())).get(20s); });
  check(too_late.starts_with("ChordError") && too_late.ends_with("expired"),
        "so does one of which a call is too late: " + too_late);
}

// Steps that depend on one another, with results and with what undoes them.
void dags(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  Dag diamond;
  diamond.step("a", add(1, 2));
  diamond.step("b", add.partial(10)).after({"a"});
  diamond.step("c", add.partial(20)).after({"a"});
  diamond.step("d", add.partial()).after({"b", "c"});
  check(producer.submit(diamond).get(20s) == json::object{{"a", 3}, {"b", 13}, {"c", 23}, {"d", 36}},
        "each step gets the results of those before it");
  Dag wide;
  std::vector<std::string> names;
  for (int i = 0; i < arguments.count; ++i) {
    names.push_back(std::to_string(i));
    wide.step(names.back(), add(i, i));
  }
  wide.step("end", echo("done").immutable()).after(names);
  const json::value all = producer.submit(wide).get(60s);
  check(all.at("end") == "done" && all.at("7") == 14, "steps that end at the same time are all counted");
}

// A saga that fails in its last step, told by `how`.
void sagas(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const std::string file = arguments.given.at("file");
  const std::string how = arguments.given.at("how");
  const double seconds = arguments.number("rest_ms", 0) / 1000.0;
  Dag saga;
  saga.step("one", note(file, 1)).undo(note(file, -1).immutable());
  saga.step("two", note_then_rest(file, 2, seconds).immutable())
      .after({"one"})
      .undo(note(file, -2).immutable());
  saga.step("nothing", echo("x").immutable()).after({"two"});
  auto& last = saga.step("three", raise("no")).after({"nothing"}).undo(note(file, -3).immutable());
  last.call.immutable = true;
  if (how == "expired") last.call.expires = std::chrono::system_clock::now() - 1s;
  if (how == "unknown") last.call.task = "tasks.unheard_of";
  if (arguments.given.contains("celerys_queue")) {
    last.call.queue = arguments.given.at("celerys_queue");
    if (how == "expired") last.call.task = "tasks.add";  // Celery looks at the name first
  }
  const auto result = producer.submit(saga);
  const std::string text = failure_of([&] { result.get(60s); });
  check(text.starts_with("DagError: step 'three' failed: ") && text.ends_with("; undone: one, two"),
        "a saga that fails says what was undone: " + text);
  std::cout << text << std::endl;
}

// Somebody cancels it while its third step runs; by its id, which this says.
void cancelled(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  const std::string file = arguments.given.at("file");
  Dag saga;
  saga.step("one", note(file, 1)).undo(note(file, -1).immutable());
  saga.step("two", note(file, 2).immutable()).after({"one"}).undo(note(file, -2).immutable());
  saga.step("three", note_then_rest(file, 3, 50).immutable()).after({"two"}).undo(note(file, -3).immutable());
  saga.step("four", note(file, 4).immutable()).after({"three"});
  const auto result = producer.submit(saga);
  std::cout << result.id() << std::endl;
  const std::string text = failure_of([&] { result.get(40s); });
  check(text == "TaskRevokedError: cancelled; undone: one, two",
        "a cancelled saga says what was undone: " + text);
  check(result.status().state == State::revoked, "its state says so");
}

namespace {

// What is in the queue of a kept result becomes that.
void wait_for_result(Producer& producer, const std::string& id, int wanted) {
  for (int i = 0; producer.result_of<int>(id, 20s) != wanted; ++i) {
    check(i < 200, "the last outcome is what is kept");
    std::this_thread::sleep_for(50ms);
  }
}

// Each of them asks for it over and over.
void ask_at_once(const Arguments& arguments, const std::string& id, double wanted) {
  std::vector<std::future<int>> askers;
  for (int i = 0; i < 8; ++i) {
    askers.push_back(std::async(std::launch::async, [&] {
      Producer asker(arguments.url);
      int right = 0;
      for (int times = 0; times < 25; ++times) right += asker.result_of<double>(id, 20s) == wanted ? 1 : 0;
      return right;
    }));
  }
  for (auto& right : askers) check(right.get() == 25, "each of those who ask at once is answered");
}

// However a call ends, others can ask how.
void ask_for_outcomes(Producer& producer, Producer& other) {
  const auto sum = producer.submit(add(2, 3).keep_result(1min));
  check(other.result_of<int>(sum.id(), 20s) == 5, "another producer asks");
  check(other.result_of<int>(sum.id()) == 5, "it is still there, and needs no time");
  check(other.async_result_of<int>(sum.id(), 20s, millrace::use_future).get() == 5, "by a token");
  check(kind_of([&] { other.async_result_of<std::string>(sum.id(), 20s, millrace::use_future).get(); }) ==
            millrace::ErrorKind::codec,
        "as another type than it has");
  check(sum.get(20s) == 5, "who submitted it has it too");
  const auto silent = producer.submit(add(3, 3).ignore_result().keep_result(1min));
  check(other.result_of<int>(silent.id(), 20s) == 6, "it is kept where nobody waits for it");
  const auto broken = producer.submit(raise("boom").keep_result(1min));
  try {
    other.result_of<void>(broken.id(), 20s);
    check(false, "a failure is thrown");
  } catch (const TaskFailed& failed) {
    check(failed.type() == "ValueError" && failed.text() == "boom" && !failed.traceback().empty(),
          "with its type, text and traceback");
  }
  const auto late = producer.submit(add(1, 1).expires_in(-1s).keep_result(1min));
  const auto stopped = producer.submit(rest(30).keep_result(1min));
  std::this_thread::sleep_for(300ms);
  stopped.cancel();
  check(failure_of([&] { other.result_of<int>(late.id(), 20s); }) == "TaskRevokedError: expired", "late");
  check(failure_of([&] { other.result_of<double>(stopped.id(), 20s); }).starts_with("TaskRevokedError"),
        "a cancelled one");
  const auto large = producer.submit(make_text(16 << 20).ignore_result().keep_result(1min));
  check(failure_of([&] { other.result_of<std::string>(large.id(), 50s); }).starts_with("ResultTooLarge"),
        "one that is too large says so");
}

// What is not there, not yet or no more.
void ask_at_other_times(const Arguments& arguments, Producer& producer, Producer& other) {
  const auto running = producer.submit(rest(1).keep_result(1min));
  check(kind_of([&] { other.result_of<double>(running.id()); }) == millrace::ErrorKind::timed_out,
        "one that still runs");
  ask_at_once(arguments, running.id(), 1);
  check(kind_of([&] { other.result_of<int>("nobody's", 20s); }) == millrace::ErrorKind::not_found,
        "one that nobody knows");
  check(kind_of([&] { other.result_of<int>(producer.submit(add(1, 1)).id(), 20s); }) ==
            millrace::ErrorKind::not_found,
        "one that is not kept");
  const auto brief = producer.submit(add(4, 4).keep_result(1s));
  check(other.result_of<int>(brief.id(), 20s) == 8, "kept for a second");
  std::this_thread::sleep_for(3s);
  check(kind_of([&] { other.result_of<int>(brief.id()); }) == millrace::ErrorKind::not_found,
        "and no longer");
}

void ask_for_chains(const Arguments& arguments, Producer& producer, Producer& other) {
  const auto of = [&](const std::string& name) { return arguments.queue + name; };
  producer.submit(
      chain(add(1, 2).id(of("-first")).keep_result(1min), add.partial(10).id(of("-last")).keep_result(1min)));
  check(other.result_of<int>(of("-first"), 20s) == 3 && other.result_of<int>(of("-last"), 20s) == 13,
        "each call of a chain");
  producer.submit(
      chain(raise("no"), add(1, 1).immutable().id(of("-never")).keep_result(1min), add.partial(1)));
  check(failure_of([&] { other.result_of<int>(of("-never"), 20s); }) == "ValueError: no",
        "one that does not begin because one before it failed");
}

}  // namespace

// Results that others ask for. Nothing of this needs Millrace; its worker is here.
void kept(const Arguments& arguments) {
  WorkerOptions options;
  options.queues = {arguments.queue};
  options.threads = 2;
  Worker worker(arguments.url, options);
  worker.on(add, [](int x, int y) { return x + y; });
  worker.on(raise, [](const std::string& text) { throw TaskError("ValueError", text); });
  worker.on(rest, rest_for);
  worker.on(make_text, [](int bytes) { return std::string(static_cast<std::size_t>(bytes), 'x'); });
  worker.start();
  millrace::Client client(arguments.url);
  Producer producer(client, producing(arguments));
  Producer other(arguments.url);
  ask_for_outcomes(producer, other);
  ask_at_other_times(arguments, producer, other);
  ask_for_chains(arguments, producer, other);
  const std::string again = arguments.queue + "-again";
  for (const int number : {1, 2}) {
    producer.submit(add(number, 0).id(again).keep_result(1min)).get(20s);
    wait_for_result(other, again, number);
  }
  // Who has looked at it gives it back in a moment.
  std::uint32_t left = 0;
  for (int i = 0; i < 200 && left == 0; ++i) {
    left = client.inspect_queue("millrace.result." + again).messages;
    if (left == 0) std::this_thread::sleep_for(10ms);
  }
  check(left == 1, "one outcome is kept");
}

namespace {

awaitable<void> submit_awaiting(Producer& producer, const Dag& dag) {
  Result<int> sum = co_await producer.async_submit(chord(group(add(1, 1), add(2, 2)), total.partial()));
  check(co_await sum.async_get() == 6, "a coroutine submits a chord");
  Result<json::value> all = co_await producer.async_submit(dag);
  const json::value results = co_await all.async_get();
  check(results.at("b") == 13, "and a dag");
}

}  // namespace

// Chords and dags by tokens, and with results that are kept.
void canvases(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  Producer other(arguments.url);
  Dag dag;
  dag.step("a", add(1, 2).keep_result(1min));
  dag.step("b", add.partial(10)).after({"a"});
  dag.keep_result(1min);
  boost::asio::io_context context;
  std::exception_ptr error;
  millrace::co_spawn(context, submit_awaiting(producer, dag),
                     [&](std::exception_ptr thrown) { error = thrown; });
  context.run();
  if (error) std::rethrow_exception(error);

  std::promise<Result<int>> told;
  const auto sums = chord(group(add(1, 1), add(2, 2)), total.partial().keep_result(1min));
  producer.async_submit(sums, [&](millrace::Failure failed, const Result<int>& result) {
    check(!failed, failed.text());
    told.set_value(result);
  });
  const Result<int> sum = told.get_future().get();
  check(sum.get(20s) == 6 && other.result_of<int>(sum.id(), 20s) == 6, "a chord's result is kept");
  const auto all = producer.async_submit(dag, millrace::use_future).get();
  const json::value expected = json::object{{"a", 3}, {"b", 13}};
  check(all.get(20s) == expected && other.result_of<json::value>(all.id(), 20s) == expected, "and a dag's");
  check(other.result_of<int>(all.id() + "-0", 20s) == 3, "and that of its first step");
  check(producer.submit(fail_twice().id(arguments.queue + "-third").keep_result(1min)).get(20s) == 2 &&
            other.result_of<int>(arguments.queue + "-third", 20s) == 2,
        "of one that is tried again the last outcome is kept");

  const auto half = chord(group(add(1, 1), add(2, 2).id(std::string(300, 'x'))), total.partial());
  check(kind_of([&] { producer.async_submit(half, millrace::use_future).get(); }) ==
            millrace::ErrorKind::invalid_argument,
        "a chord of which a call cannot be submitted is not submitted");
  check(kind_of([&] {
          producer.async_submit(chord(Group<int>(), total.partial()), millrace::use_future).get();
        }) == millrace::ErrorKind::invalid_argument,
        "nor is one of nothing");
  try {
    producer.async_submit(Dag(), millrace::use_future).get();
    check(false, "a dag of nothing is refused");
  } catch (const std::invalid_argument&) {
  }
}

// One whose result is kept, and of which what follows is not taken yet.
void stuck(const Arguments& arguments) {
  Producer producer(arguments.url, producing(arguments));
  Call<int> call = add(2, 3).id(arguments.given.at("id")).keep_result(1min).ignore_result();
  call.on_success(echo("x").queue(arguments.given.at("full")).immutable());
  producer.submit(call);
}

}  // namespace tasks_driver
