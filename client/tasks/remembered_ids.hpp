// The last so many strings that were added.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "client/tasks/hashed_text.hpp"
#include "client/tasks/inline_text.hpp"

namespace millrace::tasks {

// A ring of texts, and the set of their places in it, found by what is there. A worker looks up and adds one
// for each task, so neither takes memory of its own for each.
//
// Used under its owner's lock.
class RememberedIds {
 public:
  explicit RememberedIds(std::size_t most) : most_(most), places_(0, Hash{{&ring_}}, Equal{{&ring_}}) {}
  RememberedIds(const RememberedIds&) = delete;
  RememberedIds& operator=(const RememberedIds&) = delete;

  void add(const HashedText& id);
  bool contains(const HashedText& id) const noexcept { return places_.contains(id); }
  // Oldest first.
  std::vector<std::string> in_order() const;

 private:
  using Place = std::uint32_t;
  struct Remembered {
    explicit Remembered(const HashedText& of) : id(of.text), hash(of.hash) {}
    void become(const HashedText& other) {
      id.assign(other.text);
      hash = other.hash;
    }
    HashedText text() const noexcept { return {id.view(), hash}; }

    InlineText id;
    std::size_t hash;
  };
  struct Texts {
    using is_transparent = void;
    HashedText of(Place place) const noexcept { return (*ring)[place].text(); }
    static const HashedText& of(const HashedText& id) noexcept { return id; }
    const std::vector<Remembered>* ring;
  };
  struct Hash : Texts {
    std::size_t operator()(const auto& key) const noexcept { return of(key).hash; }
  };
  struct Equal : Texts {
    bool operator()(const auto& one, const auto& other) const noexcept { return of(one) == of(other); }
  };

  const std::size_t most_;
  std::vector<Remembered> ring_;
  std::size_t oldest_ = 0;  // once the ring is full
  boost::unordered_flat_set<Place, Hash, Equal> places_;
};

}  // namespace millrace::tasks
