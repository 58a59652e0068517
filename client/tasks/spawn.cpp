#include "client/tasks/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "base/descriptor.hpp"
#include "client/tasks/child_process.hpp"
#include "client/tasks/exec.hpp"

namespace millrace::tasks {
namespace {

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<std::string> arguments;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\0', begin);
    arguments.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  return arguments;
}

class SpawnSettings {
 public:
  explicit SpawnSettings(int channel) {
    check(posix_spawn_file_actions_init(&actions), "posix_spawn_file_actions_init");
    check(posix_spawnattr_init(&attributes), "posix_spawnattr_init");
    check(posix_spawn_file_actions_adddup2(&actions, channel, kChildDescriptor), "adddup2");
    // Above all the broker's connection: a child that keeps it open keeps this worker's leases.
    check(posix_spawn_file_actions_addclosefrom_np(&actions, kChildDescriptor + 1), "addclosefrom");
    sigset_t none;
    sigemptyset(&none);
    sigset_t all;
    sigfillset(&all);
    check(posix_spawnattr_setsigmask(&attributes, &none), "setsigmask");
    check(posix_spawnattr_setsigdefault(&attributes, &all), "setsigdefault");
    check(posix_spawnattr_setpgroup(&attributes, 0), "setpgroup");
    check(posix_spawnattr_setflags(&attributes,
                                   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP),
          "setflags");
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

}  // namespace

SpawnedChild spawn_child() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) check(errno, "socketpair");
  Descriptor ours(pair[0]);
  const Descriptor low(pair[1]);
  // Above the number that it is to have: a dup2 onto itself would leave it to be closed.
  const Descriptor theirs(fcntl(low.get(), F_DUPFD_CLOEXEC, kChildDescriptor + 1));
  if (!theirs.is_open()) check(errno, "fcntl");
  std::vector<std::string> arguments = own_arguments();
  std::vector<std::string> variables = own_variables();
  std::string own(kChildVariable);
  own += '=';
  own += std::to_string(getpid());
  variables.push_back(std::move(own));
  const SpawnSettings settings(theirs.get());
  SpawnedChild child;
  // By this name it is the running program, also when its file was replaced or removed meanwhile.
  check(posix_spawn(&child.pid, "/proc/self/exe", &settings.actions, &settings.attributes,
                    pointers_to(arguments).data(), pointers_to(variables).data()),
        "posix_spawn");
  child.channel = ours.release();
  return child;
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    std::string text = "was killed by signal ";
    text += std::to_string(WTERMSIG(wait_status));
    text += " (";
    text += strsignal(WTERMSIG(wait_status));
    text += ')';
    return text;
  }
  return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace millrace::tasks
