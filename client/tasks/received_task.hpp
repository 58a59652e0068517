// A message as a worker reads it: its properties and headers where they lie, found by name.
#pragma once

#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "codec/amqp091/table.hpp"

namespace millrace::tasks {

// Views into the bytes that it was made of. The header table was found well formed when it came; throws
// std::invalid_argument for other properties that are malformed.
class ReceivedTask {
 public:
  ReceivedTask(ByteView properties, std::string_view body);

  std::string_view body;
  std::string_view content_type;
  std::string_view message_id;
  std::string_view reply_to;
  std::string_view correlation_id;
  std::uint8_t priority = 0;

  // The header of that name.
  std::optional<amqp091::ValueView> header(std::string_view name) const noexcept;

 private:
  struct Header {
    std::string_view name;
    amqp091::ValueView value;
  };
  // More headers than Celery and we send; what is beyond is found by walking the table.
  boost::container::static_vector<Header, 32> first_;
  amqp091::TableView all_;
};

}  // namespace millrace::tasks
