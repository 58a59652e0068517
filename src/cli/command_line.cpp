#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/stop.hpp"
#include "cli/text.hpp"

namespace millrace::cli {
namespace {

bool takes_value(const std::string& word) {
  if (word.find('=') != std::string::npos) return false;
  return std::any_of(connection_options().begin(), connection_options().end(),
                     [&](const Option& option) { return !option.value.empty() && word == option.names; });
}

const Verb* find_verb(std::string_view words) {
  for (const Verb* verb : all_verbs()) {
    if (verb->words == words) return verb;
  }
  return nullptr;
}

// How many letters have to change.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
      corner = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

std::string unknown_verb(std::string_view word) {
  std::string_view nearest;
  std::size_t least = 3;
  for (const Verb* verb : all_verbs()) {
    const std::string_view first = verb->words.substr(0, verb->words.find(' '));
    const std::size_t far = distance(word, first);
    if (far < least) {
      least = far;
      nearest = first;
    }
  }
  std::string text = "there is no command '" + printable(word) + "'";
  if (!nearest.empty()) text += "; is it '" + std::string(nearest) + "'?";
  return text + " (millrace --help lists them)";
}

// Takes the verb's words out of `words`. "queues delete" goes before "queues".
const Verb* take_verb(std::vector<std::string>& words) {
  std::size_t at = 0;
  while (at < words.size() && words[at].starts_with('-')) at += takes_value(words[at]) ? 2 : 1;
  if (at >= words.size()) return nullptr;
  if (at + 1 < words.size()) {
    if (const Verb* verb = find_verb(words[at] + " " + words[at + 1])) {
      words.erase(words.begin() + static_cast<std::ptrdiff_t>(at),
                  words.begin() + static_cast<std::ptrdiff_t>(at) + 2);
      return verb;
    }
  }
  const Verb* verb = find_verb(words[at]);
  if (verb == nullptr) {
    const bool is_family = std::any_of(all_verbs().begin(), all_verbs().end(), [&](const Verb* other) {
      return other->words.starts_with(words[at] + " ");
    });
    if (is_family) throw Stop(kBadUse, "'" + words[at] + "' needs one more word (see millrace --help)");
    throw Stop(kBadUse, unknown_verb(words[at]));
  }
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
  return verb;
}

std::string examples_text(const Verb& verb) {
  std::string text = "Examples:\n";
  for (const std::string& line : split(verb.examples, '\n')) text += "  " + line + "\n";
  const std::string prefix = std::string(verb.words) + " ";
  std::string more;
  for (const Verb* other : all_verbs()) {
    if (other->words.starts_with(prefix)) more += "  millrace " + std::string(other->words) + "\n";
  }
  if (!more.empty()) text += "\nSee also:\n" + more;
  return text + "\nExit status: 0 done, 1 refused or a check failed, 2 bad use, 3 no broker there.";
}

struct Parsed {
  std::string name;
  CLI::Option* option;
};

std::vector<Parsed> declare(CLI::App& app, const Verb& verb) {
  std::vector<Parsed> parsed;
  for (const Argument& argument : verb.arguments) {
    const std::string help(argument.help);
    CLI::Option* added = app.add_option(std::string(argument.name), help);
    added->type_name("")->type_size(1);
    if (argument.repeats) {
      added->expected(1, 1 << 20)->allow_extra_args();
    } else {
      added->expected(1);
    }
    if (argument.required) added->required();
    parsed.push_back({std::string(argument.name), added});
  }
  const auto add = [&](const Option& option, const char* group) {
    const std::string help(option.help);
    CLI::Option* added = nullptr;
    if (option.value.empty()) {
      added = app.add_flag(std::string(option.names), help);
    } else {
      added = app.add_option(std::string(option.names), help)->type_name(std::string(option.value));
      added->type_size(1)->expected(1)->multi_option_policy(
          option.repeats ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
    }
    added->group(group);
    parsed.push_back({std::string(long_name(option)), added});
  };
  for (const Option& option : verb.options) add(option, "Options");
  for (const Option& option : connection_options()) add(option, "The broker");
  return parsed;
}

}  // namespace

std::string overview_text() {
  std::string text =
      "Millrace, a message broker: AMQP 0-9-1 as RabbitMQ's clients speak it.\n\n"
      "Usage: millrace COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Verb* verb : all_verbs()) {
    std::string words(verb->words);
    words.resize(std::max<std::size_t>(24, words.size() + 1), ' ');
    text += "  " + words + std::string(verb->summary) + "\n";
  }
  return text +
         "\nmillrace COMMAND --help shows a command's options and examples.\n"
         "Commands talk to the broker's management API on http://127.0.0.1:15672 as guest; --http, --user "
         "and\n"
         "--password-file, or MILLRACE_HTTP, MILLRACE_USER and MILLRACE_PASSWORD, say otherwise.\n"
         "Exit status: 0 done, 1 refused or a check failed, 2 bad use, 3 no broker there.\n";
}

std::variant<Chosen, Help> read_words(const std::vector<std::string>& words) {
  std::vector<std::string> rest = words;
  if (!rest.empty() && rest[0] == "help") {
    rest.erase(rest.begin());
    rest.push_back("--help");
  }
  const Verb* verb = take_verb(rest);
  if (verb == nullptr) {
    const bool asked = std::any_of(words.begin(), words.end(), [](const auto& word) {
      return word == "--help" || word == "-h" || word == "help";
    });
    if (asked) return Help{overview_text()};
    throw Stop(kBadUse, "say what to do: millrace --help lists the commands");
  }

  CLI::App app(std::string(verb->summary) + ".", "millrace " + std::string(verb->words));
  app.footer(examples_text(*verb));
  const std::vector<Parsed> declared = declare(app, *verb);
  std::reverse(rest.begin(), rest.end());  // as CLI11 takes a vector
  try {
    app.parse(std::move(rest));
  } catch (const CLI::CallForHelp&) {
    return Help{app.help() + "\n"};
  } catch (const CLI::ParseError& error) {
    throw Stop(kBadUse,
               std::string(error.what()) + " (see millrace " + std::string(verb->words) + " --help)");
  }
  Chosen chosen{verb, {}};
  for (const auto& [name, option] : declared) {
    if (option->count() != 0) chosen.given.add(name, option->results());
  }
  return chosen;
}

}  // namespace millrace::cli
