#include "cli/run.hpp"

#include <signal.h>

#include <cstdio>
#include <variant>

#include "cli/command_line.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"

namespace millrace::cli {

int run(const std::vector<std::string>& words, const Environment& environment,
        std::span<const Option> serve_options) {
  signal(SIGPIPE, SIG_IGN);  // a reader that goes is an error of writing, and no message is lost to it
  try {
    auto wanted = read_words(words);
    if (const auto* help = std::get_if<Help>(&wanted)) {
      print(help->text);
      return kOk;
    }
    auto& chosen = std::get<Chosen>(wanted);
    Session session(std::move(chosen.given), environment, serve_options);
    return chosen.verb->run(session);
  } catch (const Stop& stop) {
    std::fputs(("millrace: " + stop.text() + "\n").c_str(), stderr);
    return stop.status();
  }
}

}  // namespace millrace::cli
