// A connection moves to the shard whose queues it uses.
//
//   old shard                       new shard                  every shard
//   leave_for ── expect ──────────▶ letters for it gather
//             ◀─────────────────────
//   hand_over ── rehome ──────────────────────────────────────▶ its consumers there deliver to the new shard
//             ◀──────────────────────────────────────────────── (and all that it published has arrived)
//   departs, the session goes ────▶ arrive: letters, then on
//
// Letters between two shards keep their order. So when every shard has answered, nothing that it published
// is under way any more, and no delivery to the old shard: order is kept on both sides. Confirms may come to
// the old shard for as long as it lives; they are sent on.
#include <algorithm>

#include "broker/node/connection_impl.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {
namespace {

// A shard this busy (in thousandths of its time) is joined only by connections of shards as busy.
constexpr unsigned kBusy = 500;
constexpr unsigned kAboutAsBusy = 100;

}  // namespace

// The connection's side.

void ConnectionImpl::consider_move() {
  const ShardId to = vote_.favourite();
  vote_.refused();  // or moved: counted anew either way
  const auto& shards = shard_->shared().shards;
  const unsigned there = shards[to.value]->runtime().executor.busy_permille();
  const unsigned here = shard_->runtime().executor.busy_permille();
  // All connections of one busy queue on its shard would leave the others idle.
  if (there > kBusy && there > here + kAboutAsBusy) return;
  listener_.on_move_suggested(to);
}

bool ConnectionImpl::leave_for(ShardId to, Task left) {
  const ShardId from = shard_->id();
  NodeShared& shared = shard_->shared();
  // A reply address names the shard, and clients hold it.
  if (closing_ || move_ || pausing_ || to == from || !slots_.empty() || !reply_address_.empty() ||
      shared.stopping.load()) {
    return false;
  }
  move_ = std::make_unique<Move>(Move{to, 0, std::move(left)});
  shard_->call(to, [&shared, from, to, id = id_, user = subject_.user, vhost = vhost_] {
    shared.shards[to.value]->expect(id, user, vhost);
    shared.shards[to.value]->call(from, [&shared, from, id] {
      ConnectionImpl* connection = shared.shards[from.value]->find_connection(id);
      if (connection && !connection->closing_) connection->hand_over();
    });
  });
  return true;
}

void ConnectionImpl::hand_over() {
  NodeShared& shared = shard_->shared();
  const ShardId from = shard_->id();
  move_->waiting = shared.shards.size();
  for (std::uint16_t i = 0; i < shared.shards.size(); ++i) {
    std::vector<QueueId> queues;
    for (const auto& [consumer, address] : consumers_) {
      if (address.shard.value == i) queues.push_back(address.id);
    }
    shard_->call(ShardId(i), [&shared, from, at = i, to = move_->to, id = id_, queues = std::move(queues)] {
      Shard& owner = *shared.shards[at];
      for (const QueueId queue : queues) {
        if (Queue* found = owner.find_queue(queue)) found->rehome_consumers(id, to, nullptr);
      }
      owner.call(from, [&shared, from, id] {
        ConnectionImpl* connection = shared.shards[from.value]->find_connection(id);
        if (connection && !connection->closing_) connection->one_handed_over();
      });
    });
  }
}

void ConnectionImpl::one_handed_over() {
  if (--move_->waiting != 0) return;
  forget_end();
  shard_->depart(*this, move_->to);
  std::exchange(move_->left, {})();
}

void ConnectionImpl::arrive() {
  const ShardId from = shard_->id();
  Shard& home = *shard_->shared().shards[move_->to.value];
  if (std::find(former_homes_.begin(), former_homes_.end(), from) == former_homes_.end()) {
    former_homes_.push_back(from);
  }
  std::erase(former_homes_, home.id());
  shard_ = &home;
  move_.reset();
  cache_ = {};
  vote_.moved();
  for (const auto& [consumer, address] : consumers_) {
    if (address.shard != home.id()) continue;
    if (Queue* queue = home.find_queue(address.id)) queue->rehome_consumers(id_, home.id(), this);
  }
  home.options().log(LogLevel::debug, "connection of " + info_.peer + " moved from shard " +
                                          std::to_string(from.value) + " to " +
                                          std::to_string(home.id().value));
  watch_end();
  home.welcome(*this);
}

// The shards' side.

void Shard::expect(ConnectionId id, const std::string& user, const std::string& vhost) {
  moved_.erase(id.value);
  Arriving& arriving = arriving_[id.value];
  arriving.user = user;
  arriving.vhost = vhost;
  arriving.close_why = closing_why_;
}

void Shard::expect_no_more(ConnectionId id) noexcept {
  arriving_.erase(id.value);
  tell_when_empty();
}

void Shard::depart(ConnectionImpl& connection, ShardId to) {
  moved_[connection.id().value] = to;
  remove_connection(connection);
  connection.touched = false;  // what it was to be told in this turn it is told there
}

void Shard::forget_moved(ConnectionId id) noexcept {
  moved_.erase(id.value);
}

void Shard::welcome(ConnectionImpl& connection) {
  add_connection(connection);
  const auto it = arriving_.find(connection.id().value);
  Arriving arriving = std::move(it->second);
  arriving_.erase(it);
  for (Letter& letter : arriving.letters) {
    std::visit([this](auto& content) { open_letter(std::move(content)); }, letter);
  }
  touch(connection);
  if (arriving.close_why) return connection.listener().on_close_requested(*arriving.close_why);
  if (blocked()) {
    connection.listener().on_blocked(alarm_);
  } else {
    connection.listener().on_unblocked();
  }
}

template <class Content>
void Shard::send_on(ConnectionId connection, Content&& letter) {
  if (const auto it = arriving_.find(connection.value); it != arriving_.end()) {
    it->second.letters.emplace_back(std::forward<Content>(letter));
  } else if (const auto gone = moved_.find(connection.value); gone != moved_.end()) {
    send(gone->second, std::forward<Content>(letter));
  }
}

void Shard::open_letter(DeliverLetter&& letter) {
  if (ConnectionImpl* connection = find_connection(letter.consumer.connection)) {
    connection->deliver(letter.consumer.consumer, std::move(letter.delivery));
  } else {
    send_on(letter.consumer.connection, std::move(letter));
  }
}

void Shard::open_letter(CancelledLetter&& letter) {
  if (ConnectionImpl* connection = find_connection(letter.consumer.connection)) {
    connection->cancelled(letter.consumer.consumer);
  } else {
    send_on(letter.consumer.connection, std::move(letter));
  }
}

void Shard::open_letter(ConfirmLetter&& letter) {
  // Of a connection that moved on, it still names the shard that was asked.
  letter.to.shard = id_;
  confirm(letter.to, letter.accepted);
}

void Shard::confirm_connection(const ConfirmTo& to, bool accepted) {
  if (ConnectionImpl* connection = find_connection(to.connection)) {
    connection->confirmed(to.token, accepted, to.counted);
  } else {
    send_on(to.connection, ConfirmLetter{to, accepted});
  }
}

}  // namespace millrace::broker
