// The last so many strings that were added.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tasks {

// A ring of strings, and the set of their places in it, found by what is there. A worker looks up and adds
// one for each task, so neither takes memory of its own for each.
//
// Used under its owner's lock.
class RememberedIds {
 public:
  explicit RememberedIds(std::size_t most) : most_(most), places_(0, Hash{{&ring_}}, Equal{{&ring_}}) {}
  RememberedIds(const RememberedIds&) = delete;
  RememberedIds& operator=(const RememberedIds&) = delete;

  void add(std::string id);
  bool contains(std::string_view id) const noexcept { return places_.contains(id); }
  // Oldest first.
  std::vector<std::string> in_order() const;

 private:
  using Place = std::uint32_t;
  struct Texts {
    using is_transparent = void;
    std::string_view of(Place place) const noexcept { return (*ring)[place]; }
    static std::string_view of(std::string_view id) noexcept { return id; }
    const std::vector<std::string>* ring;
  };
  struct Hash : Texts {
    std::size_t operator()(auto key) const noexcept { return std::hash<std::string_view>()(of(key)); }
  };
  struct Equal : Texts {
    bool operator()(auto one, auto other) const noexcept { return of(one) == of(other); }
  };

  const std::size_t most_;
  std::vector<std::string> ring_;
  std::size_t oldest_ = 0;  // once the ring is full
  boost::unordered_flat_set<Place, Hash, Equal> places_;
};

}  // namespace millrace::tasks
