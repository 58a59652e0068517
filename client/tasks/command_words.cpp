#include "client/tasks/command_words.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <stdexcept>

#include "millrace/tasks/function.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// The name between the braces at `at`; empty when these are only braces.
std::string_view placeholder_at(std::string_view word, std::size_t at) {
  const std::size_t end = word.find('}', at);
  if (end == std::string_view::npos) return {};
  const std::string_view name = word.substr(at + 1, end - at - 1);
  if (!std::all_of(name.begin(), name.end(), is_name)) return {};
  const bool place = !name.empty() && is_digit(name.front());
  return place && !std::all_of(name.begin(), name.end(), is_digit) ? std::string_view() : name;
}

const json::value* argument_of(const CallData& call, std::string_view name) {
  if (!is_digit(name.front())) return call.kwargs.if_contains(name);
  std::size_t index = 0;
  for (const char digit : name) {
    index = index * 10 + static_cast<std::size_t>(digit - '0');
    if (index >= call.args.size()) return nullptr;
  }
  return &call.args[index];
}

std::string text_of(const CallData& call, std::string_view name) {
  const json::value* value = argument_of(call, name);
  if (value == nullptr)
    throw detail::BadArguments("the task " + call.task + " needs an argument '" + std::string(name) + "'");
  std::string text =
      value->is_string() ? std::string(std::string_view(value->get_string())) : json::serialize(*value);
  if (text.find('\0') != std::string::npos)
    throw detail::BadArguments("the argument '" + std::string(name) + "' has a zero byte");
  return text;
}

std::string expand(const std::string& word, const CallData& call) {
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool doubled = i + 1 < word.size() && word[i + 1] == word[i];
    if ((word[i] == '{' || word[i] == '}') && doubled) {
      out += word[i++];
      continue;
    }
    const std::string_view name = word[i] == '{' ? placeholder_at(word, i) : std::string_view();
    if (name.empty()) {
      out += word[i];
      continue;
    }
    out += text_of(call, name);
    i += name.size() + 1;
  }
  return out;
}

}  // namespace

std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  const auto put = [&](char c) {
    if (!in_word) words.emplace_back();
    in_word = true;
    words.back() += c;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quote != '\'') {
      if (++i == line.size()) throw std::invalid_argument("the command ends with a backslash");
      // Within "..." only these lose their meaning by it, as in a shell.
      if (quote == '"' && line[i] != '"' && line[i] != '\\') put('\\');
      put(line[i]);
    } else if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        put(c);
    } else if (c == '\'' || c == '"') {
      quote = c;
      if (!in_word) words.emplace_back();  // '' is a word
      in_word = true;
    } else if (is_space(c)) {
      in_word = false;
    } else {
      put(c);
    }
  }
  if (quote != 0) throw std::invalid_argument("a quote of the command is not closed");
  return words;
}

std::vector<std::string> words_for(const std::vector<std::string>& words, const CallData& call) {
  std::vector<std::string> expanded;
  expanded.reserve(words.size());
  for (const std::string& word : words) expanded.push_back(expand(word, call));
  return expanded;
}

}  // namespace millrace::tasks
