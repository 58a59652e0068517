// Messages as the API's JSON has them, both ways.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>

#include "broker/connection.hpp"
#include "broker/message.hpp"

namespace millrace::management {

class Fields;

// By AMQP's names: {"content_type": "text/plain", "delivery_mode": 2, "headers": {}}.
boost::json::object json_from_properties(const broker::MessageProperties& properties);
// What is not as it should be is remembered by `fields`.
broker::MessageProperties properties_from_json(Fields& fields);

// At most `shown_max` bytes of the body: as text where it is UTF-8, unless base64 is asked for.
boost::json::object message_item(const broker::Delivery& delivery,
                                 const broker::MessageProperties& properties, std::uint64_t shown_max,
                                 bool base64);

}  // namespace millrace::management
