#include "cli/completion.hpp"

#include <map>
#include <set>
#include <vector>

namespace millrace::cli {
namespace {

struct Family {
  std::vector<std::string_view> second_words;  // of "queues": show, add, delete
  std::string_view summary;
};

// First words in the order of help.
std::vector<std::pair<std::string_view, Family>> families() {
  std::vector<std::pair<std::string_view, Family>> all;
  for (const Verb* verb : all_verbs()) {
    const std::size_t space = verb->words.find(' ');
    const std::string_view first = verb->words.substr(0, space);
    if (all.empty() || all.back().first != first) all.push_back({first, {{}, verb->summary}});
    if (space != std::string_view::npos)
      all.back().second.second_words.push_back(verb->words.substr(space + 1));
  }
  return all;
}

std::string options_of(const Verb& verb, std::span<const Option> serve) {
  std::string words = "--help";
  const bool is_client = verb.words != "serve";
  for (const auto options :
       {is_client ? verb.options : serve, is_client ? connection_options() : serve.first(0)}) {
    for (const Option& option : options) words += " --" + std::string(long_name(option));
  }
  return words;
}

// For single quotes of any of the shells.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// Cases that take the first two words for the verb where both are; for bash and zsh.
std::string two_word_cases() {
  std::string cases;
  for (const Verb* verb : all_verbs()) {
    if (verb->words.find(' ') == std::string_view::npos) continue;
    cases += "      " + quoted(verb->words) + ") verb=" + quoted(verb->words) + " ;;\n";
  }
  return cases;
}

// How fish completes what an option wants: files, or nothing at all.
std::string fish_value(std::string_view value) {
  if (value.empty()) return "";
  return value == "FILE" || value == "DIR" ? " -r -F" : " -x";
}

}  // namespace

std::string bash_completion(std::span<const Option> serve) {
  std::string first_words;
  std::string seconds;
  for (const auto& [first, family] : families()) {
    first_words += (first_words.empty() ? "" : " ") + std::string(first);
    if (family.second_words.empty()) continue;
    seconds += "      " + std::string(first) + ") words='";
    for (const std::string_view second : family.second_words) seconds += std::string(second) + " ";
    seconds.back() = '\'';
    seconds += " ;;\n";
  }
  std::string options;
  for (const Verb* verb : all_verbs()) {
    options += "      " + quoted(verb->words) + ") words=" + quoted(options_of(*verb, serve)) + " ;;\n";
  }
  return "# Completion of millrace for bash: source <(millrace completion bash)\n"
         "_millrace() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} words=\n"
         "  local verb=$first\n"
         "  case $first in\n"
         "    completion) words='bash zsh fish' ;;\n"
         "  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    case \"$first ${COMP_WORDS[2]}\" in\n" +
         two_word_cases() +
         "    esac\n"
         "    case $verb in\n" +
         options +
         "    esac\n"
         "  elif [[ $COMP_CWORD == 1 ]]; then\n"
         "    words='" +
         first_words +
         "'\n"
         "  elif [[ $COMP_CWORD == 2 ]]; then\n"
         "    case $first in\n" +
         seconds +
         "    esac\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  [[ -n ${COMPREPLY[*]} || $COMP_CWORD == 1 ]] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "}\n"
         "complete -F _millrace millrace\n";
}

std::string zsh_completion(std::span<const Option> serve) {
  std::string commands;
  std::string seconds;
  for (const auto& [first, family] : families()) {
    std::string entry(first);
    commands += "    " + quoted(entry + ":" + std::string(family.summary)) + "\n";
    if (family.second_words.empty()) continue;
    seconds += "      " + std::string(first) + ") compadd --";
    for (const std::string_view second : family.second_words) seconds += " " + std::string(second);
    seconds += " ;;\n";
  }
  std::string options;
  for (const Verb* verb : all_verbs()) {
    options += "      " + quoted(verb->words) + ") compadd -- " + options_of(*verb, serve) + " ;;\n";
  }
  return "#compdef millrace\n"
         "# Completion of millrace for zsh: save it as _millrace in a folder of $fpath.\n"
         "_millrace() {\n"
         "  local -a commands\n"
         "  commands=(\n" +
         commands +
         "  )\n"
         "  local verb=${words[2]}\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  if [[ ${words[CURRENT]} == -* ]]; then\n"
         "    case \"$verb ${words[3]}\" in\n" +
         two_word_cases() +
         "    esac\n"
         "    case $verb in\n" +
         options +
         "    esac\n"
         "    return\n"
         "  fi\n"
         "  if (( CURRENT == 3 )); then\n"
         "    case $verb in\n"
         "      completion) compadd -- bash zsh fish ;;\n" +
         seconds +
         "    esac\n"
         "  fi\n"
         "  _files\n"
         "}\n"
         "_millrace \"$@\"\n";
}

std::string fish_completion(std::span<const Option> serve) {
  std::string script =
      "# Completion of millrace for fish: save it as ~/.config/fish/completions/millrace.fish\n"
      "complete -c millrace -f\n";
  const auto seen = [](std::string_view words) {
    return "__fish_seen_subcommand_from " + std::string(words);
  };
  std::map<std::string_view, std::string> alone;  // of a first word: no second one has been typed yet
  for (const auto& [first, family] : families()) {
    script += "complete -c millrace -n __fish_use_subcommand -a " + std::string(first) + " -d " +
              quoted(family.summary) + "\n";
    std::string words;
    for (const std::string_view second : family.second_words)
      words += (words.empty() ? "" : " ") + std::string(second);
    alone[first] = seen(first) + (words.empty() ? "" : "; and not " + seen(words));
    if (words.empty()) continue;
    script += "complete -c millrace -n " + quoted(alone[first]) + " -a " + quoted(words) + "\n";
  }
  script += "complete -c millrace -n '" + seen("completion") + "' -a 'bash zsh fish'\n";
  const auto add_options = [&](const std::string& condition, std::span<const Option> options) {
    for (const Option& option : options) {
      script += "complete -c millrace -n " + quoted(condition) + " -l " + std::string(long_name(option)) +
                fish_value(option.value) + " -d " + quoted(option.help) + "\n";
    }
  };
  for (const Verb* verb : all_verbs()) {
    const std::size_t space = verb->words.find(' ');
    const bool is_alone = space == std::string_view::npos;
    const std::string condition =
        is_alone ? alone[verb->words]
                 : seen(verb->words.substr(0, space)) + "; and " + seen(verb->words.substr(space + 1));
    add_options(condition, verb->words == "serve" ? serve : verb->options);
    for (const Argument& argument : verb->arguments) {
      if (!fish_value(argument.name).ends_with('F')) continue;
      script += "complete -c millrace -n " + quoted(condition) + " -F\n";
    }
  }
  add_options("not " + seen("serve"), connection_options());
  return script;
}

}  // namespace millrace::cli
