#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "load/failure.hpp"
#include "load/loads.hpp"
#include "load/options.hpp"

namespace millrace::load {

namespace {

Report run(const Options& options) {
  if (options.declare != 0) return run_declare(options);
  if (options.idle_connections != 0) return run_idle_connections(options);
  if (options.backlog != 0) return run_backlog(options);
  return run_messages(options);
}

void print(const Report& report, const Options& options) {
  if (options.json == "-") {
    fmt::print("{}", report.json());
    return;
  }
  fmt::print("{}", report.text());
  if (options.json.empty()) return;
  std::ofstream file(options.json);
  file << report.json();
  if (!file.flush()) throw Failure(fmt::format("cannot write {}", options.json));
}

}  // namespace

}  // namespace millrace::load

int main(int argc, char** argv) {
  using namespace millrace::load;
  Options options;
  if (int exit_code = 0; !parse_options(argc, argv, options, exit_code)) return exit_code;
  try {
    print(run(options), options);
    return 0;
  } catch (const Failure& failure) {
    fmt::print(stderr, "millrace_load: {}\n", failure.what());
    return 1;
  }
}
