#include "client/src/in_process.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace millrace::client {
namespace {

struct Table {
  std::mutex mutex;
  std::map<std::string, AcceptInProcess> brokers;
};

// Never destroyed: a broker may be one of the program's static objects.
Table& table() {
  static auto* const the_one = new Table;
  return *the_one;
}

}  // namespace

bool add_in_process(const std::string& name, AcceptInProcess accept) {
  const std::lock_guard lock(table().mutex);
  return table().brokers.emplace(name, std::move(accept)).second;
}

void remove_in_process(const std::string& name) {
  const std::lock_guard lock(table().mutex);
  table().brokers.erase(name);
}

Dialled dial_in_process(const std::string& name) {
  const std::lock_guard lock(table().mutex);
  const auto found = table().brokers.find(name);
  if (found == table().brokers.end()) return {};
  auto [ours, theirs] = PipeEnd::make_pair();
  if (!found->second(std::move(theirs))) return {true, std::nullopt};
  return {true, std::move(ours)};
}

}  // namespace millrace::client
