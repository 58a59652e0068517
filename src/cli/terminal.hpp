// The terminal that a command was typed at, if it was.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::cli {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

bool output_is_terminal() noexcept;
bool errors_are_terminal() noexcept;
bool input_is_terminal() noexcept;
// NO_COLOR, TERM=dumb and everything that is no terminal want none.
bool output_has_colour();
TerminalSize terminal_size() noexcept;
// Without end where the output is no terminal.
std::size_t output_width() noexcept;

// Asks for a secret without showing it. Stops with kBadUse where there is nobody to ask.
std::string ask_secret(const std::string& prompt);
// The first line of a file, or of standard input for "-".
std::string read_secret(const std::string& path);
// All of it; "-" is standard input. Stops with kBadUse when it cannot be read.
std::string read_whole(const std::string& path);

// To standard output. Stops with kRefused when whoever reads it has gone.
void print(const std::string& text);

// While one lives, SIGINT, SIGTERM and SIGHUP only set a flag.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // How often whoever waits for something else looks.
  static constexpr std::chrono::milliseconds kLookEvery{100};
  // The signal that came, 0 for none.
  static int seen() noexcept;
};

// A bar on standard error, where that is a terminal; erased when it is done.
class Progress {
 public:
  // total 0: unknown.
  Progress(std::string what, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Draws ten times a second at most.
  void show(std::uint64_t done);

 private:
  std::string what_;
  std::uint64_t total_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace millrace::cli
