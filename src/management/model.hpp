// The definitions as the API sees them: a copy that follows every committed change, so that reading costs the
// shards nothing.
//
// Thread: the API's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/connection.hpp"
#include "broker/definitions/definitions.hpp"
#include "broker/definitions/policies.hpp"

namespace millrace::management {

class Model {
 public:
  void apply(const std::vector<broker::Change>& changes);

  const broker::Definitions& definitions() const noexcept { return definitions_; }
  const broker::VhostDefinitions* find_vhost(std::string_view name) const {
    return definitions_.find_vhost(name);
  }
  const broker::QueueSpec* find_queue(std::string_view vhost, std::string_view name) const;
  const broker::ExchangeSpec* find_exchange(std::string_view vhost, std::string_view name) const;
  const broker::UserSpec* find_user(std::string_view name) const;

  // Whether the user has a permission there.
  bool may_enter(const broker::Subject& subject, std::string_view vhost) const;
  // That, or may see all of the node.
  bool may_see(const broker::Subject& subject, std::string_view vhost) const;

  // A global one has neither vhost nor component. Null: there is none.
  const broker::ParameterSpec* find_parameter(std::string_view vhost, std::string_view component,
                                              std::string_view name) const;
  // Empty: nobody gave it one.
  std::string cluster_name() const;

  // Null: none applies.
  const broker::PolicySpec* policy_of(const broker::QueueSpec& queue, bool is_operator) const;
  const broker::PolicySpec* policy_of(const broker::ExchangeSpec& exchange) const;

  // Sorted by name.
  std::vector<const broker::VhostDefinitions*> vhosts_seen_by(const broker::Subject& subject) const;

 private:
  broker::Definitions definitions_;
  broker::TextMap<broker::Policies> policies_;  // by vhost
};

}  // namespace millrace::management
