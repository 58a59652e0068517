// What this client declared, to declare it again on a new connection: the broker may have restarted without
// it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "millrace/definitions.hpp"

namespace millrace::client {

class Topology {
 public:
  void add(const ExchangeSpec& exchange) { exchanges_[exchange.name] = exchange; }
  void add(const QueueSpec& queue) { queues_[queue.name] = queue; }
  void add(const BindingSpec& binding);
  void remove(const BindingSpec& binding);
  // Their bindings go with them.
  void remove_queue(const std::string& name);
  void remove_exchange(const std::string& name);
  // For a queue that is declared again only while somebody here uses it: the last release takes it out, as
  // remove_queue.
  void hold_queue(const std::string& name) { ++holds_[name]; }
  void release_queue(const std::string& name);

  // nullptr: not declared here.
  const QueueSpec* queue(const std::string& name) const;

  const std::map<std::string, ExchangeSpec>& exchanges() const noexcept { return exchanges_; }
  const std::map<std::string, QueueSpec>& queues() const noexcept { return queues_; }
  const std::vector<BindingSpec>& bindings() const noexcept { return bindings_; }

 private:
  std::map<std::string, ExchangeSpec> exchanges_;
  std::map<std::string, QueueSpec> queues_;
  std::vector<BindingSpec> bindings_;      // in the order they were made
  std::map<std::string, unsigned> holds_;  // of queues, by name
};

}  // namespace millrace::client
