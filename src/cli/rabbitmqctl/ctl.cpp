#include "cli/rabbitmqctl/ctl.hpp"

#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"

namespace millrace::cli::rabbitmqctl {

namespace json = boost::json;

namespace {

struct CtlOption {
  const char* names;
  bool has_value;
};

// One list for all commands, as long as no name means two things.
constexpr CtlOption kOptions[] = {
    {"-n,--node", true},
    {"-t,--timeout", true},
    {"-p,--vhost", true},
    {"--formatter", true},
    {"--apply-to", true},
    {"--priority", true},
    {"--per-connection-delay", true},
    {"--limit", true},
    {"--format", true},
    {"-q,--quiet", false},
    {"-s,--silent", false},
    {"-l,--longnames", false},
    {"--no-table-headers", false},
    {"--online", false},
    {"--offline", false},
    {"--local", false},
    {"-u,--if-unused", false},
    {"-e,--if-empty", false},
    {"--global", false},
    {"--skip-if-unchanged", false},
    {"--description", true},
    {"--tags", true},
    {"--default-queue-type", true},
    {"--http", true},
    {"--user", true},
    {"--password-file", true},
};

std::string name_of(std::string_view names) {
  return std::string(names.substr(names.find("--") + 2));
}

std::string erlang_term(const json::value& value) {
  if (value.is_object()) {
    std::string text = "[";
    for (const auto& [key, one] : value.get_object()) {
      text += (text.size() > 1 ? "," : "") + std::string("{\"") + std::string(key) + "\"," +
              erlang_term(one) + "}";
    }
    return text + "]";
  }
  if (value.is_array()) {
    std::string text = "[";
    for (const json::value& one : value.get_array()) text += (text.size() > 1 ? "," : "") + erlang_term(one);
    return text + "]";
  }
  return json::serialize(value);
}

std::string_view argument_type(const json::value& value) {
  if (value.is_string()) return "longstr";
  if (value.is_bool()) return "bool";
  if (value.is_double()) return "double";
  if (value.is_number()) return value.to_number<double>() > 2147483647.0 ? "long" : "signedint";
  if (value.is_array()) return "array";
  if (value.is_object()) return "table";
  return "void";
}

std::string csv_cell(const json::value& value) {
  std::string text = "\"";
  for (const char c : cell_text(value)) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}

const Command* find_command(std::string_view name) {
  for (const auto commands : {list_commands(), access_commands(), node_commands(), operating_commands()}) {
    for (const Command& command : commands) {
      if (command.name == name) return &command;
    }
  }
  return nullptr;
}

std::string help_text() {
  std::string text =
      "Usage\n\nrabbitmqctl [--quiet] [--vhost <vhost>] [--formatter <table | json | csv>] <command> "
      "[<command options>]\n\nThis is Millrace. Available commands:\n\n";
  for (const auto commands : {access_commands(), list_commands(), node_commands(), operating_commands()}) {
    for (const Command& command : commands) {
      text += "   " + std::string(command.name) + (command.usage.empty() ? "" : " ") +
              std::string(command.usage) + "\n";
    }
  }
  return text;
}

[[noreturn]] void bad_arguments(const Command& command, const std::vector<std::string>& words,
                                const std::string& why) {
  std::string text =
      "Error (argument validation): " + why + "\nArguments given:\n\t" + std::string(command.name);
  for (const std::string& word : words) text += " " + printable(word);
  throw Stop(kUsage, text + "\n\nUsage\n\nrabbitmqctl [--quiet] " + std::string(command.name) + " " +
                         std::string(command.usage));
}

int run_words(std::vector<std::string> words, const Environment& environment) {
  CLI::App app("", "rabbitmqctl");
  app.set_help_flag("--help,-h");
  std::vector<std::pair<std::string, CLI::Option*>> declared;
  for (const CtlOption& option : kOptions) {
    CLI::Option* added = option.has_value ? app.add_option(option.names)->type_size(1)->expected(1)
                                          : app.add_flag(option.names);
    if (option.has_value) added->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    declared.emplace_back(name_of(option.names), added);
  }
  // What is no option is a word: names and patterns may look like anything.
  app.allow_extras();
  std::reverse(words.begin(), words.end());
  try {
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    print(help_text());
    return kOk;
  } catch (const CLI::ParseError& error) {
    throw Stop(kUsage, std::string("Error: ") + error.what());
  }
  Given options;
  for (const auto& [name, option] : declared) {
    if (option->count() != 0) options.add(name, option->results());
  }
  std::vector<std::string> rest = app.remaining();
  rest.erase(std::remove(rest.begin(), rest.end(), "--"), rest.end());
  if (rest.empty() || rest[0] == "help") {
    print(help_text());
    return rest.empty() ? static_cast<int>(kUsage) : static_cast<int>(kOk);
  }
  const std::string name = rest[0];
  rest.erase(rest.begin());
  for (const NotOffered& other : not_offered()) {
    if (other.name == name) {
      throw Stop(kNotOffered, "Error: Millrace does not offer '" + name + "': " + std::string(other.instead));
    }
  }
  const Command* command = find_command(name);
  if (command == nullptr) {
    throw Stop(kUsage, "\nCommand '" + printable(name) +
                           "' not found. 'rabbitmqctl help' lists those that there are.");
  }
  if (rest.size() < command->least) bad_arguments(*command, rest, "not enough arguments.");
  if (rest.size() > command->most) bad_arguments(*command, rest, "too many arguments.");
  const auto formatter = options.find("formatter");
  if (formatter && *formatter != "table" && *formatter != "json" && *formatter != "csv") {
    bad_arguments(*command, rest, "the formatter is table, json or csv, not '" + *formatter + "'");
  }
  Ctl ctl(std::move(rest), std::move(options), environment);
  return command->run(ctl);
}

}  // namespace

Api& Ctl::api() {
  if (!api_) api_.emplace(read_settings(options_, environment_));
  return *api_;
}

bool Ctl::is_plain() const {
  return options_.find("formatter").value_or("table") == "table";
}

void Ctl::banner(const std::string& text) const {
  if (options_.has("quiet") || options_.has("silent") || !is_plain()) return;
  line(text);
}

void Ctl::line(const std::string& text) const {
  print(printable(text) + "\n");
}

std::string cell_text(const json::value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return printable(value.get_string());
  if (value.is_object()) return printable(erlang_term(value));
  if (value.is_array()) {
    std::string text = "[";
    for (const json::value& one : value.get_array()) text += (text.size() > 1 ? ", " : "") + cell_text(one);
    return text + "]";
  }
  return json::serialize(value);
}

json::value typed_arguments(const json::value& arguments) {
  json::array list;
  for (const auto& [key, value] : arguments.get_object()) {
    list.push_back(json::array{json::string(key), json::string(argument_type(value)), value});
  }
  return list;
}

void Ctl::rows(const std::vector<std::string>& columns,
               const std::vector<std::vector<json::value>>& rows) const {
  const std::string formatter = options_.find("formatter").value_or("table");
  std::string text;
  if (formatter == "json") {
    text = "[\n";
    for (const auto& row : rows) {
      json::object item;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        item[columns[i]] = row[i].is_object() ? typed_arguments(row[i]) : row[i];
      }
      text += (text.size() > 2 ? "," : "") + json::serialize(item) + "\n";
    }
    return print(text + "]\n");
  }
  const bool as_csv = formatter == "csv";
  const char* separator = as_csv ? "," : "\t";
  const auto join = [&](const auto& cells, auto&& show) {
    for (std::size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : separator) + show(cells[i]);
    text += "\n";
  };
  const bool with_titles = !rows.empty() && !options_.has("silent") && !options_.has("no-table-headers");
  if (with_titles) {
    join(columns, [&](const std::string& title) { return as_csv ? "\"" + title + "\"" : title; });
  }
  for (const auto& row : rows) {
    join(row, [&](const json::value& cell) { return as_csv ? csv_cell(cell) : cell_text(cell); });
  }
  if (!text.empty()) print(text);
}

int run(const std::vector<std::string>& words, const Environment& environment) {
  signal(SIGPIPE, SIG_IGN);
  try {
    return run_words(words, environment);
  } catch (const Stop& stop) {
    const int status = stop.status();
    // What came from below has millrace's statuses, and no heading.
    const bool is_plain = status == kRefused && stop.http_status() != 0;
    if (status == kUnreachable || status == kBadUse || is_plain) {
      std::fputs(("Error:\n" + stop.text() + "\n").c_str(), stderr);
      return status == kBadUse ? static_cast<int>(kUsage) : static_cast<int>(kUnavailable);
    }
    std::fputs((stop.text() + "\n").c_str(), stderr);
    return status;
  }
}

}  // namespace millrace::cli::rabbitmqctl
