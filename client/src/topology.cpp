#include "client/src/topology.hpp"

namespace millrace::client {

namespace {

bool same(const BindingSpec& a, const BindingSpec& b) {
  return a.exchange == b.exchange && a.destination == b.destination && a.key == b.key &&
         a.to_exchange == b.to_exchange && a.arguments == b.arguments;
}

}  // namespace

void Topology::add(const BindingSpec& binding) {
  for (const BindingSpec& known : bindings_)
    if (same(known, binding)) return;
  bindings_.push_back(binding);
}

void Topology::remove(const BindingSpec& binding) {
  std::erase_if(bindings_, [&](const BindingSpec& known) { return same(known, binding); });
}

void Topology::remove_queue(const std::string& name) {
  queues_.erase(name);
  std::erase_if(bindings_,
                [&](const BindingSpec& known) { return !known.to_exchange && known.destination == name; });
}

void Topology::release_queue(const std::string& name) {
  const auto at = holds_.find(name);
  if (--at->second != 0) return;
  holds_.erase(at);
  remove_queue(name);
}

void Topology::remove_exchange(const std::string& name) {
  exchanges_.erase(name);
  std::erase_if(bindings_, [&](const BindingSpec& known) {
    return known.exchange == name || (known.to_exchange && known.destination == name);
  });
}

const QueueSpec* Topology::queue(const std::string& name) const {
  const auto at = queues_.find(name);
  return at == queues_.end() ? nullptr : &at->second;
}

}  // namespace millrace::client
