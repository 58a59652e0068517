// How a connection waits for answers: in the order of its calls, and from other shards.
#pragma once

#include "broker/node/connection_impl.hpp"
#include "broker/node/shard.hpp"

namespace millrace::broker {

template <class T>
Done<T> ConnectionImpl::in_order(Done<T> done) {
  auto slot = std::make_shared<Slot>();
  slots_.push_back(slot);
  return [this, slot, done = std::move(done)](result<T> answer) mutable {
    slot->complete = [done = std::move(done), answer = std::move(answer)]() mutable {
      done(std::move(answer));
    };
    slot->ready = true;
    drain_slots();
  };
}

template <class T>
Done<T> ConnectionImpl::come_back(ShardId from, Done<T> then) {
  return [&shared = shard_->shared(), from, home = shard_->id(), connection = id_,
          then = std::move(then)](result<T> answer) mutable {
    shared.shards[from.value]->call(
        home, [&shared, home, connection, then = std::move(then), answer = std::move(answer)]() mutable {
          Shard& shard = *shared.shards[home.value];
          ConnectionImpl* asker = shard.find_connection(connection);
          if (!asker) return;
          then(std::move(answer));
          shard.touch(connection);
        });
  };
}

}  // namespace millrace::broker
