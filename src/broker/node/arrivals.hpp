// What came to a shard from queues and delaying exchanges that sent it on: dead letters, and messages whose
// delay is over.
//
// Whoever sends one on settles it when its copies are safe. A crash in between brings the original back, and
// it is sent on again: the shards that have it already say so, and let it not in twice. The record of a copy
// names its original, so that this is known after a restart; here it is known until the original's settlement
// is durable. docs/decisions/0018-sent-on-once.md.
//
// Thread: the shard's; before the loop runs, the one that opens the node.
#pragma once

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "broker/connection.hpp"

namespace millrace::broker {

// The message that a copy is of, where it lay before.
struct Original {
  std::uint64_t store = 0;  // a queue's id, or that of a store of delayed messages; 0: a publisher's own
  std::uint64_t seq = 0;    // its number there
  // Durable queues that get a copy, on all shards: when they all have it, the original is done with. 0: not
  // known, because other exchanges on the way decide it.
  std::uint32_t copies = 0;

  explicit operator bool() const noexcept { return store != 0; }
};

// In a record; reading latches failure in the reader when it is cut short.
void put_original(Buffer& out, const Original& original);
Original read_original(Reader& in);

class Arrivals {
 public:
  // Of an original that is gone in another way (its queue was deleted by hand after a crash), nobody says
  // that it is settled. So many are kept over restarts; beyond, one may come twice.
  static constexpr std::size_t kMaxRecovered = 100'000;

  struct Name {
    std::uint64_t store = 0;
    std::uint64_t seq = 0;
    friend bool operator==(const Name&, const Name&) = default;
    friend std::size_t hash_value(const Name& name) noexcept;
  };
  struct Arrival {
    std::uint32_t copies = 0;
    boost::container::small_vector<QueueId, 2> places;  // where a copy came to: queues, and such stores
  };

  // Whether the place has, or had, its copy.
  bool knows(const Original& original, QueueId place) const;
  void add(const Original& original, std::span<const QueueId> places);
  // Its settlement is durable.
  void forget(const Name& name) { known_.erase(name); }
  std::size_t size() const noexcept { return known_.size(); }

  void for_each(const std::function<void(const Name&, const Arrival&)>& visit) const;
  void forget_if(const std::function<bool(const Name&)>& is_done);

  void put_state(Buffer& out) const;
  void read_state(Reader& in);

 private:
  boost::unordered_flat_map<Name, Arrival> known_;
};

}  // namespace millrace::broker
