// A program that runs for a task: started with pipes, in a process group of its own.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/descriptor.hpp"

namespace millrace::tasks {

struct ProgramLimits {
  std::size_t memory_max = 0;  // RLIMIT_AS; 0: none
  std::uint64_t cpu_max = 0;   // seconds; 0: none
};

// Whoever holds it reaps it; one that still runs is killed then, with its group.
class Program {
 public:
  // Looks for words[0] as a shell would. The program dies when the thread that starts it does. Throws
  // std::system_error with the reason why it cannot be started.
  Program(std::vector<std::string> words, std::vector<std::string> variables, const ProgramLimits& limits);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // To its group.
  void send_signal(int number) const noexcept;
  // It has ended, or waits until it has; ends what it left running in its group. Its status, as waitpid has
  // it.
  int wait();

  // Ours do not block.
  Descriptor input;
  Descriptor output;
  Descriptor errors;
  Descriptor ended;  // readable when it has ended

 private:
  pid_t pid_ = -1;
};

}  // namespace millrace::tasks
