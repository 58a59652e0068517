// `millrace serve [options]`, `--help`, `--version`.
#pragma once

#include <string>
#include <variant>

#include "server/config.hpp"

namespace millrace::server {

// Print the text and exit with the status: 0 to standard output, else to standard error.
struct Say {
  std::string text;
  int status = 0;
};

// What to do. Also reads the environment, and the configuration file that is named. Whatever is wrong with
// what the operator typed is said in one line, with status 2.
std::variant<Config, Say> read_command_line(int argc, const char* const* argv,
                                            const Environment& environment);

}  // namespace millrace::server
