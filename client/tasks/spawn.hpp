// Child processes of this program.
#pragma once

#include <sys/types.h>

#include <string>

namespace millrace::tasks {

struct SpawnedChild {
  pid_t pid = -1;
  int channel = -1;
};

// This program once more, with the arguments that it was started with, as the child of a process pool, in a
// process group of its own. It has no descriptor of ours but its end of the channel. Throws
// std::system_error.
SpawnedChild spawn_child();

// "was killed by signal 9 (Killed)", "exited with status 3"; from waitpid's status.
std::string describe_end(int wait_status);

}  // namespace millrace::tasks
