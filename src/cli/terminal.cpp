#include "cli/terminal.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/stop.hpp"
#include "cli/table.hpp"

namespace millrace::cli {
namespace {

constexpr std::array kEndSignals = {SIGINT, SIGTERM, SIGHUP};
constexpr std::chrono::milliseconds kBarInterval{100};

// Signal handlers reach nothing but globals.
volatile sig_atomic_t seen_signal = 0;

void remember(int signal) {
  seen_signal = signal;
}

std::string first_line(std::string text) {
  text.erase(std::min(text.find('\n'), text.size()));
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

}  // namespace

bool output_is_terminal() noexcept {
  return isatty(STDOUT_FILENO) != 0;
}

bool errors_are_terminal() noexcept {
  return isatty(STDERR_FILENO) != 0;
}

bool input_is_terminal() noexcept {
  return isatty(STDIN_FILENO) != 0;
}

bool output_has_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  return output_is_terminal() && term != nullptr && std::strcmp(term, "dumb") != 0;
}

TerminalSize terminal_size() noexcept {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

std::size_t output_width() noexcept {
  return output_is_terminal() ? terminal_size().columns : Table::kUnlimited;
}

std::string ask_secret(const std::string& prompt) {
  const int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (tty < 0) {
    throw Stop(
        kBadUse,
        "there is no terminal to ask for a password: set MILLRACE_PASSWORD or give --password-file FILE");
  }
  termios before{};
  tcgetattr(tty, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(tty, TCSAFLUSH, &silent);
  (void)!write(tty, prompt.data(), prompt.size());
  std::string secret;
  char c = 0;
  while (read(tty, &c, 1) == 1 && c != '\n') secret += c;
  tcsetattr(tty, TCSAFLUSH, &before);
  (void)!write(tty, "\n", 1);
  close(tty);
  return secret;
}

std::string read_whole(const std::string& path) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw Stop(kBadUse, "cannot read '" + path + "': " + std::strerror(errno));
  std::string text;
  char part[65536];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, file)) != 0;) text.append(part, n);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  if (file != stdin) std::fclose(file);
  if (failed) throw Stop(kBadUse, "cannot read '" + path + "': " + std::strerror(error));
  return text;
}

std::string read_secret(const std::string& path) {
  return first_line(read_whole(path));
}

void print(const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) throw Stop(kRefused, std::string("cannot write to standard output: ") + std::strerror(errno));
}

Interrupts::Interrupts() {
  seen_signal = 0;
  struct sigaction action {};
  action.sa_handler = remember;  // without SA_RESTART: whoever waits is to look at the flag
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one ends the program at once
  for (const int signal : kEndSignals) sigaction(signal, &action, nullptr);
}

Interrupts::~Interrupts() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (const int signal : kEndSignals) sigaction(signal, &action, nullptr);
}

int Interrupts::seen() noexcept {
  return seen_signal;
}

Progress::Progress(std::string what, std::uint64_t total) : what_(std::move(what)), total_(total) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void Progress::show(std::uint64_t done) {
  if (!errors_are_terminal()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kBarInterval;
  drawn_ = true;
  std::string line = "\r\x1b[K" + what_ + " " + std::to_string(done);
  if (total_ != 0) {
    constexpr std::uint64_t kBar = 30;
    const std::uint64_t filled = std::min(kBar, done * kBar / total_);
    line += " of " + std::to_string(total_) + " [" + std::string(filled, '#') +
            std::string(kBar - filled, '.') + "] " +
            std::to_string(std::min<std::uint64_t>(100, done * 100 / total_)) + " %";
  }
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace millrace::cli
