// The loads that the program can put on a broker. Each throws a Failure when the broker does wrong.
#pragma once

#include "load/options.hpp"
#include "load/report.hpp"

namespace millrace::load {

// Messages through queues, every one checked: also --publish-only and --drain-only.
Report run_messages(const Options& options);
// A backlog is published, then drained; both are reported.
Report run_backlog(const Options& options);
// Durable queues are declared.
Report run_declare(const Options& options);
// Connections are opened and left alone.
Report run_idle_connections(const Options& options);

}  // namespace millrace::load
