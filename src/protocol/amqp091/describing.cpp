// Messages and sessions as people look at them.
#include <algorithm>

#include "codec/amqp091/properties.hpp"
#include "codec/amqp091/table_builder.hpp"
#include "protocol/amqp091/arguments.hpp"
#include "protocol/amqp091/format.hpp"
#include "protocol/amqp091/message_headers.hpp"
#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {
namespace {

std::optional<std::string> copy(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

std::optional<std::string_view> view(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return std::string_view(*text);
}

// The builder's levels, of which the outermost table is one.
bool fits(const broker::Arguments& arguments, unsigned depth) {
  if (depth >= kMaxTableDepth) return false;
  const auto value_fits = [](const auto& self, const broker::Value& value, unsigned at) -> bool {
    if (const auto* table = std::get_if<broker::Arguments>(&value.data)) return fits(*table, at + 1);
    const auto* list = std::get_if<std::vector<broker::Value>>(&value.data);
    if (list == nullptr) return true;
    return at + 1 < kMaxTableDepth &&
           std::all_of(list->begin(), list->end(),
                       [&](const broker::Value& inner) { return self(self, inner, at + 1); });
  };
  return std::all_of(arguments.begin(), arguments.end(), [&](const broker::Argument& argument) {
    return value_fits(value_fits, argument.value, depth);
  });
}

// Within a table with a key, within an array without one.
class Writer {
 public:
  explicit Writer(TableBuilder& table) : table_(table) {}

  void entries(const broker::Arguments& arguments) {
    for (const broker::Argument& argument : arguments) value(argument.value, &argument.key);
  }

 private:
  void value(const broker::Value& given, const std::string* key) {
    std::visit([&](const auto& data) { put(data, given.type, key); }, given.data);
  }
  void put(std::monostate, char, const std::string* key) {
    if (key) table_.put_raw(*key, 'V', {});
    if (!key) table_.put_raw('V', {});
  }
  void put(bool flag, char, const std::string* key) {
    if (key) table_.put_bool(*key, flag);
    if (!key) table_.put_bool(flag);
  }
  void put(std::int64_t number, char type, const std::string* key) {
    if (type == 'T') {
      if (key) table_.put_timestamp(*key, static_cast<std::uint64_t>(number));
      if (!key) table_.put_timestamp(static_cast<std::uint64_t>(number));
      return;
    }
    if (key) table_.put_long(*key, number);
    if (!key) table_.put_long(number);
  }
  void put(double number, char, const std::string* key) {
    if (key) table_.put_double(*key, number);
    if (!key) table_.put_double(number);
  }
  void put(const std::string& text, char, const std::string* key) {
    if (key) table_.put_text(*key, text);
    if (!key) table_.put_text(text);
  }
  void put(const std::vector<broker::Value>& values, char, const std::string* key) {
    if (key) table_.begin_array(*key);
    if (!key) table_.begin_array();
    for (const broker::Value& element : values) value(element, nullptr);
    table_.end_array();
  }
  void put(const broker::Arguments& arguments, char, const std::string* key) {
    if (key) table_.begin_table(*key);
    if (!key) table_.begin_table();
    entries(arguments);
    table_.end_table();
  }

  TableBuilder& table_;
};

}  // namespace

broker::MessageProperties AmqpMessageFormat::delivered(const broker::Delivery& delivery) const {
  Buffer block;
  write_delivered_properties(block, delivery);
  Properties found;
  broker::MessageProperties properties;
  if (!parse_properties(block.view(), found)) return properties;
  properties.content_type = copy(found.content_type);
  properties.content_encoding = copy(found.content_encoding);
  properties.correlation_id = copy(found.correlation_id);
  properties.reply_to = copy(found.reply_to);
  properties.expiration = copy(found.expiration);
  properties.message_id = copy(found.message_id);
  properties.type = copy(found.type);
  properties.user_id = copy(found.user_id);
  properties.app_id = copy(found.app_id);
  properties.cluster_id = copy(found.cluster_id);
  properties.delivery_mode = found.delivery_mode;
  properties.priority = found.priority;
  properties.timestamp = found.timestamp;
  if (found.headers) properties.headers = to_arguments(*found.headers);
  return properties;
}

bool AmqpMessageFormat::put_header(Buffer& out, const broker::MessageProperties& given) const {
  Properties properties;
  Buffer headers;
  TableBuilder table(headers);
  if (given.headers) {
    if (!fits(*given.headers, 1)) return false;
    Writer(table).entries(*given.headers);
    properties.headers = table.view();
  }
  properties.content_type = view(given.content_type);
  properties.content_encoding = view(given.content_encoding);
  properties.correlation_id = view(given.correlation_id);
  properties.reply_to = view(given.reply_to);
  properties.expiration = view(given.expiration);
  properties.message_id = view(given.message_id);
  properties.type = view(given.type);
  properties.user_id = view(given.user_id);
  properties.app_id = view(given.app_id);
  properties.cluster_id = view(given.cluster_id);
  properties.delivery_mode = given.delivery_mode;
  properties.priority = given.priority;
  properties.timestamp = given.timestamp;
  write_properties(out, properties);
  return true;
}

broker::SessionDetails Session::describe() const {
  broker::SessionDetails details;
  details.frame_max = frame_max_;
  details.channel_max = channel_max_;
  details.heartbeat_s = heartbeat_s_;
  details.mechanism = mechanism_;
  details.bytes_received = bytes_received_;
  details.bytes_sent = output_.consumed_bytes();
  for (const auto& channel : channels_) {
    if (channel == nullptr || !channel->open()) continue;
    broker::ChannelDetails one;
    one.number = channel->number;
    one.confirm = channel->mode == Channel::Mode::confirm;
    one.transactional = channel->mode == Channel::Mode::tx;
    one.prefetch = channel->prefetch;
    one.channel_prefetch = channel->channel_limit;
    one.unacked = channel->unacked.size();
    one.unconfirmed = one.confirm ? channel->confirms.unsettled() : 0;
    one.counters = channel->counters;
    one.consumers = static_cast<std::uint32_t>(channel->consumers.size());
    details.channels.push_back(one);
  }
  for (const auto& consumer : consumers_) {
    if (consumer != nullptr)
      details.consumers.push_back({consumer->id, consumer->channel->number, consumer->prefetch});
  }
  return details;
}

}  // namespace millrace::amqp091
