// A program that runs for a task: started with pipes, in a process group of its own.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace millrace::tasks {

// A descriptor that is closed when it goes.
class Pipe {
 public:
  Pipe() = default;
  explicit Pipe(int descriptor) noexcept : descriptor_(descriptor) {}
  Pipe(Pipe&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Pipe& operator=(Pipe&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Pipe() { close(); }
  int get() const noexcept { return descriptor_; }
  bool is_open() const noexcept { return descriptor_ >= 0; }
  void close() noexcept;

 private:
  int descriptor_ = -1;
};

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
  Pipe input;
  Pipe output;
  Pipe errors;
  Pipe ended;  // readable when it has ended

 private:
  pid_t pid_ = -1;
};

}  // namespace millrace::tasks
