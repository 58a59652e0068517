#include "management/figures.hpp"

#include <algorithm>
#include <initializer_list>

namespace millrace::management {
namespace {

using broker::ChannelCounters;
using broker::ConnectionCounters;
using broker::ConnectionStatistics;
using broker::ExchangeCounters;
using broker::NodeStatistics;
using broker::QueueCounters;

template <class T>
void take_off(T& from, const T& base, std::initializer_list<std::uint64_t T::*> members) {
  for (const auto member : members) {
    // A channel's number may be another channel's by now, which has counted less.
    from.*member -= std::min(from.*member, base.*member);
  }
}

void take_off(QueueCounters& from, const QueueCounters& base) {
  using Q = QueueCounters;
  take_off(from, base,
           {&Q::published, &Q::delivered, &Q::delivered_no_ack, &Q::got, &Q::got_no_ack, &Q::got_nothing,
            &Q::redelivered, &Q::acked});
}

void take_off(ConnectionCounters& from, const ConnectionCounters& base) {
  using C = ConnectionCounters;
  take_off(from, base, {&C::published, &C::wanting_confirm, &C::unroutable, &C::returned});
}

void take_off(ConnectionStatistics& from, const ConnectionStatistics& base) {
  take_off(from.counters, base.counters);
  using S = broker::SessionDetails;
  take_off(from.session, base.session, {&S::bytes_received, &S::bytes_sent});
  using C = ChannelCounters;
  for (broker::ChannelDetails& channel : from.session.channels) {
    for (const broker::ChannelDetails& was : base.session.channels) {
      if (was.number != channel.number) continue;
      take_off(channel.counters, was.counters,
               {&C::published, &C::confirmed, &C::returned, &C::unroutable, &C::delivered,
                &C::delivered_no_ack, &C::got, &C::got_no_ack, &C::got_nothing, &C::redelivered, &C::acked});
    }
  }
}

}  // namespace

NodeStatistics since(const NodeStatistics& now, const NodeStatistics& base) {
  NodeStatistics found = now;
  for (auto& [id, queue] : found.queues) {
    const auto was = base.queues.find(id);
    if (was != base.queues.end()) take_off(queue.counters, was->second.counters);
  }
  boost::unordered_flat_map<std::uint64_t, const ConnectionStatistics*> connections;
  for (const auto& connection : base.connections) connections.emplace(connection.id.value, &connection);
  for (auto& connection : found.connections) {
    const auto was = connections.find(connection.id.value);
    if (was != connections.end()) take_off(connection, *was->second);
  }
  for (auto& [name, exchange] : found.exchanges) {
    const auto was = base.exchanges.find(name);
    if (was == base.exchanges.end()) continue;
    take_off(exchange, was->second, {&ExchangeCounters::in, &ExchangeCounters::out});
  }
  take_off(found.queue_totals, base.queue_totals);
  take_off(found.connection_totals, base.connection_totals);
  using N = NodeStatistics;
  take_off(found, base,
           {&N::connections_opened, &N::connections_closed, &N::channels_opened, &N::channels_closed,
            &N::queues_declared, &N::queues_created, &N::queues_deleted});
  return found;
}

}  // namespace millrace::management
