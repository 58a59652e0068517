#include "client/tasks/received_task.hpp"

#include <stdexcept>

#include "codec/amqp091/properties.hpp"

namespace millrace::tasks {

namespace amqp = millrace::amqp091;

ReceivedTask::ReceivedTask(ByteView raw, std::string_view text) : body(text) {
  amqp::Properties properties;
  if (!amqp::parse_checked_properties(raw, properties))
    throw std::invalid_argument("its properties are malformed");
  content_type = properties.content_type.value_or("");
  message_id = properties.message_id.value_or("");
  reply_to = properties.reply_to.value_or("");
  correlation_id = properties.correlation_id.value_or("");
  priority = properties.priority.value_or(0);
  if (!properties.headers) return;
  all_ = *properties.headers;
  for (const amqp::TableEntry& entry : all_) {
    if (first_.size() == first_.capacity()) break;
    first_.push_back({entry.key, entry.value});
  }
}

std::optional<amqp::ValueView> ReceivedTask::header(std::string_view name) const noexcept {
  for (const Header& one : first_)
    if (one.name == name) return one.value;
  if (first_.size() < first_.capacity()) return std::nullopt;
  return amqp::find(all_, name);
}

}  // namespace millrace::tasks
