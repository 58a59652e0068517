// The objects that the API shows, as RabbitMQ names their fields. All fields are always there: tools take a
// missing one for an error.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "management/api.hpp"

namespace millrace::management {

boost::json::object counter_fields(const broker::QueueCounters& now, const broker::QueueCounters& before,
                                   const Figures& figures);
// {"rate": …}
boost::json::object rate_details(double rate);

boost::json::object queue_item(const Api& api, const broker::QueueSpec& queue, const Figures& figures);
// One of its members that are numbers as they are counted; nothing for the others.
std::optional<std::uint64_t> queue_number(const broker::QueueStatistics& queue, std::string_view member);
// What it is, and its depth if that is asked for, without the other figures.
boost::json::object queue_definition(const Api& api, const broker::QueueSpec& queue, const Figures& figures,
                                     bool with_totals);
boost::json::object exchange_item(const Api& api, const broker::ExchangeSpec& exchange,
                                  const Figures& figures);
boost::json::object exchange_definition(const Api& api, const broker::ExchangeSpec& exchange);
boost::json::object binding_item(const broker::BindingSpec& binding);
boost::json::object vhost_item(const Api& api, const broker::VhostDefinitions& vhost, const Figures& figures);
boost::json::object user_item(const broker::UserSpec& user, const broker::Definitions& definitions);
boost::json::object permission_item(const broker::PermissionSpec& permission);
boost::json::object topic_permission_item(const broker::TopicPermissionSpec& permission);
boost::json::object policy_item(const broker::PolicySpec& policy);
// Without a component or a vhost where it is global.
boost::json::object parameter_item(const broker::ParameterSpec& parameter);
// The limits of a vhost or a user: {"max-connections": 10}.
boost::json::object limit_values(const broker::Definitions& definitions, bool of_user,
                                 std::string_view subject);

boost::json::object connection_item(const Api& api, const broker::ConnectionStatistics& connection,
                                    const Figures& figures);
boost::json::object channel_item(const Api& api, const broker::ConnectionStatistics& connection,
                                 const broker::ChannelDetails& channel, const Figures& figures);

// The wanted consumers of queues of these vhosts.
class ConsumerList {
 public:
  ConsumerList(const Api& api, const Figures& figures,
               const std::vector<const broker::VhostDefinitions*>& vhosts,
               const std::function<bool(const broker::ConsumerStatistics&)>& wanted);

  std::size_t size() const noexcept { return consumers_.size(); }
  boost::json::object make(std::size_t place) const;
  boost::json::array make_all() const;

 private:
  struct Holder {
    const broker::ConnectionStatistics* connection = nullptr;
    boost::unordered_flat_map<std::uint64_t, const broker::ConsumerDetails*> consumers;
  };

  const Api& api_;
  Figures figures_;  // holds what is pointed to
  boost::unordered_flat_map<std::uint64_t, Holder> holders_;
  std::vector<std::pair<const broker::ConsumerStatistics*, std::shared_ptr<const broker::QueueSpec>>>
      consumers_;
};

std::string connection_name(const Api& api, const broker::ConnectionStatistics& connection);

std::string binding_key(const broker::BindingSpec& binding);
// The default exchange binds each queue by its name.
std::vector<broker::BindingSpec> implicit_bindings(const broker::VhostDefinitions& vhost);
// "amqp091", "http": as figures of logins name a protocol.
std::string short_protocol(const std::string& protocol);
// "2026-11-21T11:55:08.164+00:00"
std::string time_text(std::int64_t wall_ms);
std::string_view queue_type(const broker::QueueSpec& queue);

}  // namespace millrace::management
