// Class tx: publishes and settlements wait for tx.commit; publishes are made first, settlements follow. As in
// RabbitMQ a commit is not atomic over several queues.
#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

void Session::on(Channel& channel, const tx::Select&) {
  if (channel.mode == Channel::Mode::confirm) {
    return refuse(channel, ReplyCode::precondition_failed, "cannot switch from confirm to tx mode");
  }
  channel.mode = Channel::Mode::tx;
  if (channel.tx == nullptr) channel.tx = std::make_unique<Transaction>();
  send(channel.number, tx::SelectOk{});
}

bool Session::transactional(Channel& channel) {
  if (channel.mode == Channel::Mode::tx) return true;
  refuse(channel, ReplyCode::precondition_failed, "channel is not transactional");
  return false;
}

void Session::add_to_transaction(Channel& channel, Ref<broker::Message> message, bool mandatory,
                                 const std::vector<std::string>& extra_keys) {
  Transaction& tx = *channel.tx;
  tx.publish_bytes += message->footprint();
  if (tx.publish_bytes > kTransactionBytesMax) {
    return refuse(
        channel, ReplyCode::resource_error,
        "the transaction holds more than " + std::to_string(kTransactionBytesMax) + " bytes of messages");
  }
  tx.publishes.push_back({std::move(message), extra_keys, mandatory});
}

void Session::on(Channel& channel, const tx::Commit&) {
  if (!transactional(channel)) return;
  std::vector<TxPublish> publishes = std::move(channel.tx->publishes);
  channel.tx->publishes.clear();
  channel.tx->publish_bytes = 0;
  channel.tx->committing = true;
  channel.tx->refused = false;
  ++channel.pending;  // the channel's frames wait for commit-ok
  for (TxPublish& publish : publishes) {
    publish.message->receive_at(now_ms_);  // it has waited for the commit, not in a queue
    if (route(channel, std::move(publish.message), publish.mandatory, publish.extra_keys)) continue;
    --channel.pending;
    return channel_progress(channel);
  }
  commit_progress(channel);
}

// Goes on when every publish of the commit is where it must be.
void Session::commit_progress(Channel& channel) {
  if (!channel.confirms.all_settled()) return;
  channel.confirms.flush([](std::uint64_t, bool, bool) {});
  if (!channel.open() || channel.tx == nullptr || !channel.tx->committing) return;
  channel.tx->committing = false;
  --channel.pending;
  if (channel.tx->refused) {
    refuse(channel, ReplyCode::precondition_failed, "partial tx completion");
  } else {
    for (const TxSettlement& settlement : channel.tx->settlements) {
      settle_entry(channel, settlement.entry, settlement.how);
    }
    channel.tx->settlements.clear();
    release_held(channel);
    send(channel.number, tx::CommitOk{});
  }
  if (!in_turn_) resume(kWaitsForBroker);
}

void Session::on(Channel& channel, const tx::Rollback&) {
  if (!transactional(channel)) return;
  Transaction& tx = *channel.tx;
  tx.publishes.clear();
  tx.publish_bytes = 0;
  std::vector<Unacked::Entry> entries;
  for (const TxSettlement& settlement : tx.settlements) entries.push_back(settlement.entry);
  tx.settlements.clear();
  channel.unacked.restore(entries);
  send(channel.number, tx::RollbackOk{});
}

}  // namespace millrace::amqp091
