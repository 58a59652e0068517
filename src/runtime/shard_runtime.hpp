// The seams that one shard is given.
#pragma once

#include "runtime/clock.hpp"
#include "runtime/executor.hpp"
#include "runtime/file_system.hpp"

namespace millrace::runtime {

struct ShardRuntime {
  Clock& clock;
  Executor& executor;
  Timers& timers;
  DiskExecutor& disk;
  FileSystem& files;
};

}  // namespace millrace::runtime
