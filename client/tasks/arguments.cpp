// The arguments of a call, matched with those of a function.
#include <string>

#include "millrace/tasks/function.hpp"

namespace millrace::tasks::detail {
namespace {

std::string described(const CallData& call, const std::vector<std::string>& names, std::size_t count) {
  std::string text =
      call.task + " takes " + std::to_string(count) + (count == 1 ? " argument" : " arguments");
  if (names.empty()) return text;
  text += " (";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return text + ")";
}

std::string name_of(const std::vector<std::string>& names, std::size_t index) {
  return index < names.size() ? "'" + names[index] + "'" : "number " + std::to_string(index + 1);
}

}  // namespace

const boost::json::value* find_argument(const CallData& call, const std::vector<std::string>& names,
                                        std::size_t index, bool optional) {
  if (index < call.args.size()) return &call.args[index];
  if (index < names.size()) {
    if (const boost::json::value* named = call.kwargs.if_contains(names[index])) return named;
  }
  if (!optional) throw BadArguments("the call of " + call.task + " has no argument " + name_of(names, index));
  return nullptr;
}

void check_arguments(const CallData& call, const std::vector<std::string>& names, std::size_t count) {
  if (call.args.size() > count)
    throw BadArguments(described(call, names, count) + ", and the call has " +
                       std::to_string(call.args.size()));
  for (const auto& argument : call.kwargs) {
    const std::string name(argument.key());
    std::size_t index = 0;
    while (index < names.size() && names[index] != name) ++index;
    if (index == names.size())
      throw BadArguments(described(call, names, count) + ", and none is called '" + name + "'");
    if (index < call.args.size())
      throw BadArguments("the call of " + call.task + " has '" + name + "' twice");
  }
}

void throw_bad_argument(const CallData& call, std::size_t index, const std::vector<std::string>& names,
                        const std::string& why) {
  throw BadArguments("argument " + name_of(names, index) + " of " + call.task +
                     " is of the wrong type: " + why);
}

}  // namespace millrace::tasks::detail
