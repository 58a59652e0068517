// Definitions as RabbitMQ's JSON: what import_definitions() reads back, and RabbitMQ imports.
#pragma once

#include <boost/json/object.hpp>

#include "management/api.hpp"

namespace millrace::management {

// All of the node, or one vhost alone, whose objects then do not name it. Left out as by RabbitMQ: exclusive
// queues, the exchanges that every vhost has, implicit bindings. Users whose password RabbitMQ could not
// verify have an empty `password_hash` and our own form beside it.
boost::json::object export_definitions(const Api& api);
boost::json::object export_vhost(const Api& api, const broker::VhostDefinitions& vhost);

}  // namespace millrace::management
