// The tables that parsing, help, completion and documentation are made from: a verb a row.
#pragma once

#include <span>
#include <string_view>

namespace millrace::cli {

class Session;

struct Option {
  std::string_view names;  // as CLI11 takes them: "-p,--vhost"
  std::string_view value;  // what its value is called; empty: a flag
  std::string_view help;
  bool repeats = false;
};

struct Argument {
  std::string_view name;
  std::string_view help;
  bool required = true;
  bool repeats = false;
};

struct Verb {
  std::string_view words;  // "queues" or "queues delete"
  std::string_view summary;
  std::span<const Argument> arguments;
  std::span<const Option> options;
  std::string_view examples;       // a line each, without indentation
  int (*run)(Session&) = nullptr;  // null: not run here (serve)
};

// The long name of an option, without dashes.
std::string_view long_name(const Option& option);

// In the order in which help shows them.
std::span<const Verb* const> all_verbs();
// Of every verb that talks to the broker.
std::span<const Option> connection_options();

std::span<const Verb> looking_verbs();     // status, health, top
std::span<const Verb> queue_verbs();       // queues ..., purge
std::span<const Verb> exchange_verbs();    // exchanges ..., bindings ...
std::span<const Verb> client_verbs();      // connections ..., channels, consumers
std::span<const Verb> user_verbs();        // users ...
std::span<const Verb> vhost_verbs();       // vhosts ...
std::span<const Verb> permission_verbs();  // permissions ...
std::span<const Verb> policy_verbs();      // policies ...
std::span<const Verb> message_verbs();     // publish, consume, move
std::span<const Verb> task_verbs();        // task ...
std::span<const Verb> worker_verbs();
std::span<const Verb> definition_verbs();  // definitions ...
std::span<const Verb> trace_verbs();
std::span<const Verb> log_verbs();
std::span<const Verb> bench_verbs();
std::span<const Verb> completion_verbs();

}  // namespace millrace::cli
