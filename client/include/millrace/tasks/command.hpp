// A task that is a program: started for each call, without a shell.
//
//   worker.on_command("images.resize", Command("convert {0} -resize {width} {1}")).limits(60s, 65s);
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tasks {

// What a program's standard output is taken for.
enum class CommandResult : std::uint8_t {
  automatic,  // JSON if it is that as a whole, else text without its last line end
  json,       // anything else is a failure
  text,
};

// The program reads the call from its standard input, as {"args": [...], "kwargs": {...}}, and finds its id,
// name and retries in MILLRACE_TASK_ID, MILLRACE_TASK_NAME and MILLRACE_TASK_RETRIES. Its standard output is
// the result. A status other than 0, or a signal, is a failure, with the end of its standard error as the
// reason. A program that is to stop (cancelled, soft limit, the worker stops) gets SIGTERM, after
// `kill_after` SIGKILL, and so does all that it started, except what made itself a process group; at the hard
// limit SIGKILL at once. What it leaves running in its group ends with it, and it dies with its worker.
class Command {
 public:
  // Words as a shell would split them at spaces, with '...', "..." and \ to quote; nothing else means
  // anything. In a word {0}, {1} ... stand for an argument by its place and {name} for one by name: text as
  // it is, anything else as JSON, and always within that word. {{ and }} are braces. Throws
  // std::invalid_argument for a quote that is not closed and for no words at all.
  explicit Command(std::string_view line);
  // Words that are apart already.
  static Command of_words(std::vector<std::string> words);

  std::vector<std::string> words;
  CommandResult result = CommandResult::automatic;
  std::size_t output_max = 16U << 20U;  // bytes; a program that writes more is killed and has failed
  std::size_t memory_max = 0;           // bytes of address space (RLIMIT_AS); 0: no limit
  std::chrono::seconds cpu_max{0};      // 0: no limit
  std::chrono::milliseconds kill_after{2000};
  bool echo_errors = false;  // its standard error goes to this process' as well

 private:
  Command() = default;
};

}  // namespace millrace::tasks
