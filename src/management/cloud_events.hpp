// CloudEvents 1.0 over HTTP, and as messages (https://github.com/cloudevents/spec: JSON Event Format 1.0.2,
// HTTP Protocol Binding 1.0.2, AMQP Protocol Binding 1.0.2).
//
// As a message an event is what the binding for AMQP calls binary mode: the data is the body, its type the
// property content_type, and every attribute a header "cloudEvents:NAME" with a text. A message with the
// content type application/cloudevents+json whose body is an event is taken for one too, and any other
// message can be shown as an event. Pure.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "broker/connection.hpp"
#include "broker/message.hpp"
#include "management/call.hpp"

namespace millrace::management {

inline constexpr std::string_view kCloudEvent = "application/cloudevents+json";
inline constexpr std::string_view kCloudEventBatch = "application/cloudevents-batch+json";

// Whatever its parameters ("; charset=utf-8") and case.
bool is_media_type(std::string_view header, std::string_view type) noexcept;

// A header of a message: "cloudEvents:id", or "cloudEvents_id", which JMS can say.
bool is_cloud_attribute(std::string_view header) noexcept;

struct CloudMessage {
  broker::MessageProperties properties;
  std::string body;
};

// Binary mode: adds the attributes of "ce-…" headers to the properties. False: it is no event.
// invalid_argument: an attribute is missing or malformed.
result<bool> take_cloud_headers(const Headers& headers, broker::MessageProperties& properties);
// Structured mode. invalid_argument likewise.
result<CloudMessage> message_from_cloud_event(const boost::json::value& event);

// The JSON text of the message as an event, with `token` as the extension "millracetoken".
std::string cloud_event_text(const broker::Delivery& delivery, const broker::MessageProperties& properties,
                             std::string_view vhost, std::string_view queue, std::string_view token);
// Binary mode: "ce-…" headers, for messages that are events.
void put_cloud_headers(Headers& headers, const broker::MessageProperties& properties);

}  // namespace millrace::management
