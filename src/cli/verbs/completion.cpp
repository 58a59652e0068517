// completion bash|zsh|fish
#include "cli/completion.hpp"

#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace completion {
namespace {

constexpr Argument kShell[] = {{"SHELL", "bash, zsh or fish"}};

int complete(Session& session) {
  const std::string shell = session.given.text("SHELL");
  if (shell == "bash") {
    print(bash_completion(session.serve_options));
  } else if (shell == "zsh") {
    print(zsh_completion(session.serve_options));
  } else if (shell == "fish") {
    print(fish_completion(session.serve_options));
  } else {
    throw Stop(kBadUse, "there is completion for bash, zsh and fish, not for '" + shell + "'");
  }
  return kOk;
}

}  // namespace
}  // namespace completion

std::span<const Verb> completion_verbs() {
  using namespace completion;
  static const Verb verbs[] = {
      {"completion",
       "Print a script that completes commands in your shell",
       kShell,
       {},
       "source <(millrace completion bash)\n"
       "millrace completion zsh > ~/.zfunc/_millrace\n"
       "millrace completion fish > ~/.config/fish/completions/millrace.fish",
       complete},
  };
  return verbs;
}

}  // namespace millrace::cli
