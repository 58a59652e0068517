#include "protocol/amqp091/message_headers.hpp"

#include "codec/amqp091/properties.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::amqp091 {

namespace {

// What a publisher may not tell a consumer in our name.
constexpr std::string_view kDeathHeaders[] = {"x-death",
                                              "x-first-death-reason",
                                              "x-first-death-queue",
                                              "x-first-death-exchange",
                                              "x-last-death-reason",
                                              "x-last-death-queue",
                                              "x-last-death-exchange"};

void put_death(TableBuilder& table, const broker::Death& death) {
  table.begin_table();
  if (death.original_expiration) table.put_text("original-expiration", *death.original_expiration);
  table.put_long("count", death.count)
      .put_text("reason", death.reason)
      .put_text("queue", death.queue)
      .put_timestamp("time", static_cast<std::uint64_t>(death.time_s))
      .put_text("exchange", death.exchange)
      .begin_array("routing-keys");
  for (const std::string& key : death.routing_keys) table.put_text(key);
  table.end_array().end_table();
}

void put_deaths(TableBuilder& table, const broker::Annotations& annotations) {
  table.begin_array("x-death");
  for (const broker::Death& death : annotations.deaths) put_death(table, death);
  table.end_array()
      .put_text("x-first-death-reason", annotations.first_death_reason)
      .put_text("x-first-death-queue", annotations.first_death_queue)
      .put_text("x-first-death-exchange", annotations.first_death_exchange)
      .put_text("x-last-death-reason", annotations.last_death_reason)
      .put_text("x-last-death-queue", annotations.last_death_queue)
      .put_text("x-last-death-exchange", annotations.last_death_exchange);
}

}  // namespace

void write_delivered_properties(Buffer& out, const broker::Delivery& delivery) {
  const broker::Message& message = *delivery.message;
  const broker::Annotations* annotations = message.annotations();
  Buffer added;
  TableBuilder table(added);
  std::vector<std::string_view> replaced;
  Edit edit;
  if (annotations != nullptr && !annotations->deaths.empty()) {
    replaced.assign(std::begin(kDeathHeaders), std::end(kDeathHeaders));
    put_deaths(table, *annotations);
  }
  if (annotations != nullptr) {
    edit.drop_expiration = annotations->drop_expiration;
    if (annotations->message_id) edit.message_id = *annotations->message_id;
  }
  if (annotations != nullptr && annotations->delayed_ms != 0) {
    // As the plug-in: so that no exchange delays it again when a consumer passes it on as it came.
    replaced.push_back("x-delay");
    table.put_long("x-delay", -annotations->delayed_ms);
  }
  if (delivery.show_delivery_count && delivery.delivery_count != 0) {
    replaced.push_back("x-delivery-count");
    table.put_long("x-delivery-count", delivery.delivery_count);
  }
  if (delivery.stamped) {
    replaced.push_back("x-sequence");
    replaced.push_back("x-arrival-ms");
    table.put_long("x-sequence", static_cast<std::int64_t>(delivery.sequence))
        .put_long("x-arrival-ms", delivery.arrival_ms);
  }
  edit.drop_headers = replaced;
  edit.append_headers = table.view().bytes;
  const ByteView none{kNoProperties};
  const bool ours = message.origin() == broker::Origin::amqp091;
  if (!ours && message.durable()) edit.delivery_mode = 2;
  // A block that cannot be read was refused when it came in; one from a damaged store is left out.
  if (!rewrite(out, ours ? message.header() : none, edit)) rewrite(out, none, edit);
}

}  // namespace millrace::amqp091
