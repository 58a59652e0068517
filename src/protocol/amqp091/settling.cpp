// basic.ack, nack, reject and recover. Settlements of a turn go to the broker together, one call for each
// queue.
#include <algorithm>

#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

using broker::Settlement;

void Session::on(Channel& channel, const basic::Ack& method) {
  settle(channel, method.delivery_tag, method.multiple, Settlement::ack);
}

void Session::on(Channel& channel, const basic::Nack& method) {
  settle(channel, method.delivery_tag, method.multiple,
         method.requeue ? Settlement::requeue : Settlement::reject);
}

void Session::on(Channel& channel, const basic::Reject& method) {
  settle(channel, method.delivery_tag, false,
         method.requeue ? Settlement::requeue_failed : Settlement::reject);
}

void Session::settle(Channel& channel, std::uint64_t tag, bool multiple, Settlement how) {
  const auto taken = [&](const Unacked::Entry& entry) {
    if (channel.mode == Channel::Mode::tx) {
      channel.tx->settlements.push_back({entry, how});
    } else {
      settle_entry(channel, entry, how);
    }
  };
  if (tag == 0 && multiple) {
    channel.unacked.take_all(taken);
  } else if (!channel.unacked.take(tag, multiple, taken)) {
    return refuse(channel, ReplyCode::precondition_failed, "unknown delivery tag " + std::to_string(tag));
  }
  if (!channel.held.empty()) release_held(channel);
}

void Session::settle_entry(Channel& channel, const Unacked::Entry& entry, Settlement how) {
  Source& source = channel.sources[entry.source];
  if (source.dirty && source.how != how) flush_source(channel, entry.source);
  if (!source.dirty) {
    source.dirty = true;
    source.how = how;
    dirty_sources_.emplace_back(&channel, entry.source);
  }
  source.seqs.push_back(entry.seq);
  if (source.consumer.value == 0) return;
  --channel.channel_in_use;
  if (Consumer* consumer = find_consumer(source.consumer)) {
    --consumer->unsettled;
    look_at_credit(*consumer);
  }
}

void Session::flush_settlements() {
  for (const auto& [channel, index] : dirty_sources_) {
    if (channel->sources[index].dirty) flush_source(*channel, index);
  }
  dirty_sources_.clear();
}

void Session::flush_source(Channel& channel, std::uint32_t index) {
  Source& source = channel.sources[index];
  if (!std::is_sorted(source.seqs.begin(), source.seqs.end())) {
    std::sort(source.seqs.begin(), source.seqs.end());
  }
  source.dirty = false;
  connection_->settle(source.queue, source.consumer, source.seqs, source.how);
  if (source.how == Settlement::ack) channel.counters.acked += source.seqs.size();
  source.entries -= static_cast<std::uint32_t>(source.seqs.size());
  source.seqs.clear();
  free_source_if_done(channel, index);
}

std::uint32_t Session::add_source(Channel& channel, const broker::QueueAddress& queue,
                                  broker::ConsumerId consumer) {
  auto index = static_cast<std::uint32_t>(channel.sources.size());
  if (channel.free_sources.empty()) {
    channel.sources.emplace_back();
  } else {
    index = channel.free_sources.back();
    channel.free_sources.pop_back();
  }
  Source& source = channel.sources[index];
  source.queue = queue;
  source.consumer = consumer;
  source.entries = 0;
  source.in_use = true;
  source.closed = false;
  return index;
}

std::uint32_t Session::got_source(Channel& channel, const broker::QueueAddress& queue) {
  const auto found = std::find_if(channel.sources.begin(), channel.sources.end(), [&](const Source& source) {
    return source.in_use && source.consumer.value == 0 && source.queue == queue;
  });
  if (found != channel.sources.end()) return static_cast<std::uint32_t>(found - channel.sources.begin());
  const std::uint32_t index = add_source(channel, queue, broker::ConsumerId{});
  channel.sources[index].closed = true;  // kept by its entries alone
  return index;
}

void Session::free_source_if_done(Channel& channel, std::uint32_t index) {
  Source& source = channel.sources[index];
  if (!source.in_use || !source.closed || source.entries != 0 || source.dirty) return;
  source.in_use = false;
  channel.free_sources.push_back(index);
}

void Session::on(Channel& channel, const basic::Recover& method) {
  if (recover(channel, method.requeue)) send(channel.number, basic::RecoverOk{});
}

void Session::on(Channel& channel, const basic::RecoverAsync& method) {
  recover(channel, method.requeue);
}

bool Session::recover(Channel& channel, bool requeue) {
  if (!requeue) return refuse(channel, ReplyCode::not_implemented, "requeue=false"), false;
  channel.unacked.take_all(
      [&](const Unacked::Entry& entry) { settle_entry(channel, entry, Settlement::requeue); });
  flush_settlements();
  release_held(channel);
  return true;
}

}  // namespace millrace::amqp091
