// Tasks that are programs, without a broker.
#include "client/tasks/command.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <thread>

#include "client/tasks/command_words.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

class StoppableContext final : public Context {
 public:
  explicit StoppableContext(const CallData& call) { call_ = &call; }
  bool stop_requested() const noexcept override { return stop; }
  void check() override {
    if (stop) throw Cancelled("the task was cancelled");
  }
  void set_state(const std::string&, const json::value&) override {}
  std::atomic<bool> stop{false};
};

CallData call_with(json::array args, json::object kwargs = {}) {
  CallData call;
  call.task = "t";
  call.id = "i";
  call.args = std::move(args);
  call.kwargs = std::move(kwargs);
  return call;
}

json::value run(const Command& command, const CallData& call = call_with({})) {
  StoppableContext context(call);
  return run_command(command, context, call);
}

std::string failure_of(const Command& command) {
  try {
    run(command);
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "CommandFailed");
    return error.what();
  }
  return "it did not fail";
}

TEST(CommandWords, are_split_as_a_shell_does) {
  EXPECT_EQ(split_words("a  b\tc"), (Words{"a", "b", "c"}));
  EXPECT_EQ(split_words(R"(say 'two words' "and \"three\" more" \'x\' '')"),
            (Words{"say", "two words", "and \"three\" more", "'x'", ""}));
  EXPECT_EQ(split_words(R"(a"b c"'d e'f)"), (Words{"ab cd ef"}));
  EXPECT_EQ(split_words(R"("\n")"), (Words{R"(\n)"}));
  EXPECT_THROW(split_words("say 'it"), std::invalid_argument);
  EXPECT_THROW(split_words("say \\"), std::invalid_argument);
}

TEST(CommandWords, take_arguments_by_place_and_by_name) {
  const CallData call = call_with({"a b; rm *", 2, json::object{{"k", 1}}}, {{"width", 640}});
  EXPECT_EQ(words_for({"{0}", "-n{1}", "{2}", "{width}x"}, call),
            (Words{"a b; rm *", "-n2", "{\"k\":1}", "640x"}));
  EXPECT_EQ(words_for({"{{0}}", "{}", "{a b}", "{print $1}", "}", "{"}, call),
            (Words{"{0}", "{}", "{a b}", "{print $1}", "}", "{"}));
}

TEST(CommandWords, refuse_a_call_without_the_argument) {
  EXPECT_THROW(words_for({"{1}"}, call_with({"only one"})), detail::BadArguments);
  EXPECT_THROW(words_for({"{width}"}, call_with({})), detail::BadArguments);
  EXPECT_THROW(words_for({"{99999999999999999999999}"}, call_with({1})), detail::BadArguments);
  EXPECT_THROW(words_for({"{0}"}, call_with({json::string("a\0b", 3)})), detail::BadArguments);
}

TEST(Command, needs_a_program) {
  EXPECT_THROW(Command(""), std::invalid_argument);
  EXPECT_THROW(Command("'' a"), std::invalid_argument);
}

TEST(Command, gives_json_or_text) {
  EXPECT_EQ(run(Command("echo [1, 2]")), (json::array{1, 2}));
  EXPECT_EQ(run(Command("echo hello there")), "hello there");
  EXPECT_EQ(run(Command("true")), nullptr);
  Command text("echo 12");
  text.result = CommandResult::text;
  EXPECT_EQ(run(text), "12");
  Command strict("echo twelve");
  strict.result = CommandResult::json;
  EXPECT_NE(failure_of(strict).find("no JSON"), std::string::npos);
}

TEST(Command, replaces_what_is_no_utf8) {
  EXPECT_EQ(run(Command::of_words({"printf", R"(a\377\355\240\200\303\244)"})),
            "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4");
}

TEST(Command, reads_the_call_from_its_input) {
  const json::value got = run(Command("cat"), call_with({1, "two"}, {{"three", 3}}));
  EXPECT_EQ(got, (json::object{{"args", {1, "two"}}, {"kwargs", {{"three", 3}}}}));
  EXPECT_EQ(run(Command::of_words(
                {"sh", "-c", "echo $MILLRACE_TASK_ID $MILLRACE_TASK_NAME $MILLRACE_TASK_RETRIES"})),
            "i t 0");
}

TEST(Command, passes_more_than_a_pipe_holds_both_ways) {
  const std::string large(3U << 20U, 'x');
  const json::value got = run(Command("cat"), call_with({large}));
  EXPECT_EQ(got.at("args").at(0), json::value(large));
}

TEST(Command, need_not_read_its_input) {
  EXPECT_EQ(run(Command("echo 1"), call_with({std::string(3U << 20U, 'x')})), 1);
}

TEST(Command, may_close_its_input_while_it_runs) {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ASSERT_EQ(sigismember(&before, SIGPIPE), 0) << "it would end this process";
  EXPECT_EQ(run(Command::of_words({"sh", "-c", "exec <&-; sleep 0.3; echo 1"}),
                call_with({std::string(3U << 20U, 'x')})),
            1);
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGPIPE), 0);
}

TEST(Command, fails_with_its_status_and_what_it_said) {
  EXPECT_EQ(failure_of(Command::of_words({"sh", "-c", "echo out; echo why >&2; exit 3"})),
            "the command exited with status 3: why");
  EXPECT_EQ(failure_of(Command::of_words({"sh", "-c", "kill -KILL $$"})),
            "the command was killed by signal 9 (Killed)");
  EXPECT_NE(failure_of(Command("/there/is/no/such/program")).find("No such file"), std::string::npos);
}

TEST(Command, keeps_the_end_of_what_it_said) {
  const std::string why =
      failure_of(Command::of_words({"sh", "-c", "yes 12345 | head -c 100000 >&2; echo end >&2; false"}));
  EXPECT_LT(why.size(), 2100U);
  EXPECT_TRUE(why.ends_with("end")) << why;
}

TEST(Command, that_writes_too_much_fails) {
  Command endless("yes");
  endless.output_max = 100'000;
  EXPECT_EQ(failure_of(endless), "the command wrote more than 100000 bytes");
}

TEST(Command, has_no_more_memory_than_it_may) {
  Command hungry = Command::of_words({"python3", "-c", "print(len(bytearray(1 << 30)))"});
  EXPECT_EQ(run(hungry), 1 << 30);
  hungry.memory_max = 512U << 20U;
  EXPECT_NE(failure_of(hungry).find("MemoryError"), std::string::npos);
}

TEST(Command, inherits_no_descriptors) {
  const std::ifstream open("/dev/null");
  // ls itself opens the folder.
  EXPECT_EQ(run(Command::of_words({"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"})), "0 1 2 3 ");
}

// Tells it to stop once `runs`; returns how long it took from then.
std::chrono::milliseconds stop(
    const Command& command, const std::function<bool()>& runs = [] {
      std::this_thread::sleep_for(300ms);
      return true;
    }) {
  const CallData call = call_with({});
  StoppableContext context(call);
  std::chrono::steady_clock::time_point told;
  std::thread teller([&] {
    while (!runs()) std::this_thread::sleep_for(10ms);
    told = std::chrono::steady_clock::now();
    context.stop = true;
  });
  EXPECT_THROW(run_command(command, context, call), Cancelled);
  const auto ended = std::chrono::steady_clock::now();
  teller.join();
  return std::chrono::duration_cast<std::chrono::milliseconds>(ended - told);
}

TEST(Command, that_is_to_stop_gets_a_signal) {
  EXPECT_LT(stop(Command("sleep 100")), 1500ms);
}

TEST(Command, that_does_not_stop_is_killed_with_what_it_started) {
  const std::string file = testing::TempDir() + "command_test." + std::to_string(getpid());
  Command deaf = Command::of_words(
      {"sh", "-c", "trap '' TERM; sleep 100 & echo $! > " + file + "; while :; do sleep 0.1; done"});
  deaf.kill_after = 300ms;
  pid_t started = 0;
  const auto took = stop(deaf, [&] {
    std::string line;
    // Its end of line says that the number is whole.
    if (std::ifstream text(file); std::getline(text, line) && !text.eof()) started = std::stoi(line);
    return started > 0;
  });
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 2500ms);
  unlink(file.c_str());
  ASSERT_GT(started, 0);
  const auto runs = [&] {
    std::string state;
    std::ifstream status("/proc/" + std::to_string(started) + "/stat");
    status >> state >> state >> state;
    return !state.empty() && state != "Z";
  };
  for (int i = 0; runs() && i < 100; ++i) std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(runs());
}

TEST(Command, is_not_waited_for_by_what_it_left_behind) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(run(Command::of_words({"sh", "-c", "sleep 100 & echo done"})), "done");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

}  // namespace
}  // namespace millrace::tasks
