// The program under the name rabbitmqctl: RabbitMQ's commands, their words, output and exit statuses (as of
// RabbitMQ 3.10), served by the management API. docs/cli.md lists what differs.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/api.hpp"
#include "cli/given.hpp"
#include "cli/settings.hpp"

namespace millrace::cli::rabbitmqctl {

// As RabbitMQ's tools end (sysexits.h).
enum CtlStatus : int {
  kNotOffered = 1,  // what this broker cannot do
  kUsage = 64,
  kDataError = 65,
  kNoUser = 67,
  kUnavailable = 69,
  kSoftware = 70,
};

// What a command works with.
class Ctl {
 public:
  Ctl(std::vector<std::string> words, Given options, const Environment& environment)
      : words_(std::move(words)), options_(std::move(options)), environment_(environment) {}

  // Behind the command. Empty when there are fewer.
  std::string word(std::size_t at) const { return at < words_.size() ? words_[at] : std::string(); }
  std::span<const std::string> words() const noexcept { return words_; }
  const Given& options() const noexcept { return options_; }
  Api& api();
  std::string vhost() const { return options_.find("vhost").value_or("/"); }

  // "Adding user ... ...": for people, not with -q, -s, JSON or CSV.
  void banner(const std::string& text) const;
  void line(const std::string& text) const;

  // Rows with the named columns, as --formatter wants them. Cells are JSON; see cell_text.
  void rows(const std::vector<std::string>& columns,
            const std::vector<std::vector<boost::json::value>>& rows) const;

 private:
  bool is_plain() const;  // a table, rather than JSON or CSV

  std::vector<std::string> words_;
  Given options_;
  const Environment& environment_;
  std::optional<Api> api_;
};

// Texts plainly, lists as "[a, b]", tables of arguments as Erlang terms [{"x-max-length",10}].
std::string cell_text(const boost::json::value& value);
// A table of arguments as RabbitMQ's JSON has it: [["x-max-length","signedint",10]].
boost::json::value typed_arguments(const boost::json::value& arguments);

struct Command {
  std::string_view name;
  std::string_view usage;  // of its words
  std::size_t least;
  std::size_t most;
  int (*run)(Ctl&);
};

constexpr std::size_t kAnyNumber = 1000;

std::span<const Command> list_commands();
std::span<const Command> access_commands();
std::span<const Command> node_commands();
std::span<const Command> operating_commands();
// What there is in RabbitMQ and not here: name, and one line that says what to do.
struct NotOffered {
  std::string_view name;
  std::string_view instead;
};
std::span<const NotOffered> not_offered();

int run(const std::vector<std::string>& words, const Environment& environment);

}  // namespace millrace::cli::rabbitmqctl
