// The task system: functions that run elsewhere, with results. See docs/tasks.md. Link millrace::tasks.
#pragma once

#include "millrace/tasks/call.hpp"      // IWYU pragma: export
#include "millrace/tasks/canvas.hpp"    // IWYU pragma: export
#include "millrace/tasks/control.hpp"   // IWYU pragma: export
#include "millrace/tasks/producer.hpp"  // IWYU pragma: export
#include "millrace/tasks/worker.hpp"    // IWYU pragma: export
