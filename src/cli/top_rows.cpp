#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/top.hpp"

namespace millrace::cli {

namespace json = boost::json;

std::string what_holds_back(const TopRow& row, std::uint64_t prefetch) {
  if (row.ready == 0) return "";
  if (row.consumers == 0) return "no consumer";
  if (prefetch != 0 && row.unacked >= prefetch) return "prefetch: waits for acks";
  if (row.in > row.ack) return "slow consumers";
  return "";
}

std::vector<TopRow> top_rows(const json::value& queues, const json::value& consumers) {
  struct Bound {
    std::uint64_t prefetch = 0;
    bool unbounded = false;
  };
  std::map<std::pair<std::string, std::string>, Bound> bounds;
  for (const json::value& consumer : consumers.as_array()) {
    Bound& bound = bounds[{text_in(consumer, "queue.vhost"), text_in(consumer, "queue.name")}];
    const auto prefetch = static_cast<std::uint64_t>(number_in(consumer, "prefetch_count"));
    bound.prefetch += prefetch;
    if (prefetch == 0) bound.unbounded = true;
  }
  std::vector<TopRow> rows;
  for (const json::value& queue : queues.as_array()) {
    const auto whole = [&](const char* path) { return static_cast<std::uint64_t>(number_in(queue, path)); };
    TopRow row;
    row.vhost = text_in(queue, "vhost");
    row.name = text_in(queue, "name");
    row.ready = whole("messages_ready");
    row.unacked = whole("messages_unacknowledged");
    row.consumers = whole("consumers");
    row.in = number_in(queue, "message_stats.publish_details.rate");
    row.out = number_in(queue, "message_stats.deliver_get_details.rate");
    // Whoever takes without acknowledging is done with it at once.
    row.ack = number_in(queue, "message_stats.ack_details.rate") +
              number_in(queue, "message_stats.deliver_no_ack_details.rate") +
              number_in(queue, "message_stats.get_no_ack_details.rate");
    const auto time = [&](const char* path) -> std::optional<double> {
      const json::value* found = find_in(queue, path);
      if (found == nullptr || !found->is_number()) return std::nullopt;
      return found->to_number<double>();
    };
    row.wait_p50_us = time("millrace.time_in_queue.p50_us");
    row.wait_p99_us = time("millrace.time_in_queue.p99_us");
    row.ack_p50_us = time("millrace.time_to_ack.p50_us");
    row.ack_p99_us = time("millrace.time_to_ack.p99_us");
    const Bound bound = bounds[{row.vhost, row.name}];
    row.held_back = what_holds_back(row, bound.unbounded ? 0 : bound.prefetch);
    rows.push_back(std::move(row));
  }
  return rows;
}

void sort_rows(std::vector<TopRow>& rows, TopOrder order, bool reversed) {
  const auto key = [order](const TopRow& row) -> double {
    switch (order) {
      case TopOrder::name:
        return 0;
      case TopOrder::ready:
        return static_cast<double>(row.ready);
      case TopOrder::unacked:
        return static_cast<double>(row.unacked);
      case TopOrder::in:
        return row.in;
      case TopOrder::out:
        return row.out;
      case TopOrder::ack:
        return row.ack;
      case TopOrder::wait:
        return row.wait_p99_us.value_or(-1);
      case TopOrder::hold:
        return row.ack_p99_us.value_or(-1);
      case TopOrder::consumers:
        return static_cast<double>(row.consumers);
    }
    return 0;
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) {
    if (key(a) != key(b)) return reversed ? key(a) < key(b) : key(a) > key(b);
    const bool less = std::pair(a.vhost, a.name) < std::pair(b.vhost, b.name);
    const bool more = std::pair(a.vhost, a.name) > std::pair(b.vhost, b.name);
    return order == TopOrder::name && reversed ? more : less;
  });
}

}  // namespace millrace::cli
