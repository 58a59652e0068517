#include "server/command_line.hpp"

#include <CLI/CLI.hpp>
#include <array>
#include <utility>

#include "server/version.hpp"

namespace millrace::server {
namespace {

constexpr const char* kExamples = R"(Examples:
  millrace serve                                     the default port, data in ./millrace-data
  millrace serve --data-dir /var/lib/millrace --amqp 10.0.0.5:5672 --amqp 127.0.0.1:5673
  millrace serve --config /etc/millrace.toml --log-format json
  MILLRACE_SYNC=interval=50 millrace serve --amqp 127.0.0.1:0

Every option is also a key of the configuration file (shards = 4) and an environment variable
(MILLRACE_SHARDS=4). The command line wins over the environment, the environment over the file.
When it serves, it prints one line to standard output: ready amqp=127.0.0.1:5672 http=... data=...
SIGTERM and Ctrl-C drain and end it; a second one ends it at once. SIGHUP reads the certificates again.)";

Say refuse(std::string why) {
  for (char& c : why) {
    if (c == '\n') c = ' ';
  }
  return {"millrace: " + why + "\n", 2};
}

struct Given {
  const ConfigOption* option;
  CLI::Option* parsed;
};

std::vector<Given> add_options(CLI::App& serve) {
  std::vector<Given> given;
  for (const ConfigOption& option : config_options()) {
    const std::string name = "--" + std::string(option.name);
    const std::string help = help_of(option);
    CLI::Option* added = nullptr;
    if (option.kind == ConfigOption::Kind::flag) {
      added = serve.add_flag(name, help);
    } else {
      added = serve.add_option(name, help)->type_name(std::string(option.placeholder));
      added->type_size(1)->expected(1)->multi_option_policy(option.kind == ConfigOption::Kind::list
                                                                ? CLI::MultiOptionPolicy::TakeAll
                                                                : CLI::MultiOptionPolicy::TakeLast);
    }
    given.push_back({&option, added});
  }
  return given;
}

ConfigValues command_line_values(const std::vector<Given>& given) {
  ConfigValues values;
  for (const auto& [option, parsed] : given) {
    if (parsed->count() == 0) continue;
    values.entries.push_back(
        {std::string(option->name), "--" + std::string(option->name), parsed->results()});
  }
  return values;
}

}  // namespace

std::variant<Config, Say> read_command_line(int argc, const char* const* argv,
                                            const Environment& environment) {
  CLI::App app("Millrace, a message broker: AMQP 0-9-1 as RabbitMQ's clients speak it.", "millrace");
  app.set_version_flag("--version", std::string("millrace ") + kVersion);
  app.require_subcommand(1);
  app.footer("millrace serve --help tells of its options.");
  CLI::App* serve = app.add_subcommand("serve", "Run the broker.");
  serve->footer(kExamples);
  std::string config_file;
  serve->add_option("--config", config_file, "Read options from this TOML file (or MILLRACE_CONFIG)")
      ->type_name("FILE");
  const std::vector<Given> given = add_options(*serve);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    return Say{std::string(version.what()) + "\n", 0};
  } catch (const CLI::CallForHelp&) {
    return Say{(serve->parsed() ? serve : &app)->help() + "\n", 0};
  } catch (const CLI::ParseError& error) {
    return refuse(std::string(error.what()) + " (see millrace serve --help)");
  }

  if (config_file.empty()) {
    if (const char* named = environment("MILLRACE_CONFIG"); named != nullptr) config_file = named;
  }
  std::array<ConfigValues, 3> sources;
  if (!config_file.empty()) {
    auto read = file_values(config_file);
    if (!read) return refuse(read.error().text);
    sources[0] = std::move(*read);
  }
  sources[1] = environment_values(environment);
  sources[2] = command_line_values(given);
  auto config = make_config(sources);
  if (!config) return refuse(config.error().text);
  return std::move(*config);
}

}  // namespace millrace::server
