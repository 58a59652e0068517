// The policies of one vhost, and which of them applies to a queue or an exchange: the one of the highest
// priority that matches. Thread: the shard's.
#pragma once

#include <string_view>
#include <vector>

#include "broker/access/pattern.hpp"
#include "broker/specs.hpp"

namespace millrace::broker {

class Policies {
 public:
  void put(PolicySpec policy);
  void remove(std::string_view name, bool is_operator);

  // Null: none applies.
  const PolicySpec* of_queue(const QueueSpec& queue, bool is_operator) const;
  const PolicySpec* of_exchange(std::string_view name) const;

 private:
  struct Entry {
    PolicySpec policy;
    Pattern pattern;
  };
  std::vector<Entry> entries_;  // by falling priority, then by name
};

}  // namespace millrace::broker
