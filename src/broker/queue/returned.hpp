// Messages that came back from consumers, to be served before all others of their lane, in their old order.
#pragma once

#include <algorithm>
#include <boost/container/deque.hpp>
#include <utility>
#include <vector>

#include "broker/queue/entry.hpp"

namespace millrace::broker {

// Allocates nothing while empty: most queues are.
using Entries = boost::container::deque<Entry, void,
                                        boost::container::deque_options_t<boost::container::block_size<16u>>>;

// What comes back mostly does so in order, or as the one that was given last; then nothing is searched. Many
// consumers that die together return theirs interleaved: those wait in a heap, since each insertion into the
// middle of a list would move half of it.
class Returned {
 public:
  bool empty() const noexcept { return in_order_.empty() && others_.empty(); }

  void put(Entry&& entry) {
    if (in_order_.empty() || in_order_.back().seq < entry.seq) {
      in_order_.push_back(std::move(entry));
    } else if (entry.seq < in_order_.front().seq) {
      in_order_.push_front(std::move(entry));
    } else {
      others_.push_back(std::move(entry));
      std::push_heap(others_.begin(), others_.end(), later);
    }
  }

  // The oldest. There is one.
  Entry& front() noexcept { return heap_is_next() ? others_.front() : in_order_.front(); }

  Entry take_front() {
    if (!heap_is_next()) {
      Entry entry = std::move(in_order_.front());
      in_order_.pop_front();
      return entry;
    }
    std::pop_heap(others_.begin(), others_.end(), later);
    Entry entry = std::move(others_.back());
    others_.pop_back();
    if (others_.empty()) others_.shrink_to_fit();
    return entry;
  }

  void clear() noexcept {
    in_order_.clear();
    others_ = {};
  }

  // In no order.
  template <class Visit>
  void for_each(Visit visit) {
    for (Entry& entry : in_order_) visit(entry);
    for (Entry& entry : others_) visit(entry);
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Entry& entry : in_order_) visit(entry);
    for (const Entry& entry : others_) visit(entry);
  }

 private:
  static bool later(const Entry& a, const Entry& b) noexcept { return a.seq > b.seq; }
  bool heap_is_next() const noexcept {
    return !others_.empty() && (in_order_.empty() || others_.front().seq < in_order_.front().seq);
  }

  Entries in_order_;
  std::vector<Entry> others_;
};

}  // namespace millrace::broker
