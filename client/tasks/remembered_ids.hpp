// The last so many strings that were added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tasks {

// A ring of strings, and a table of their places in it. A worker looks up and adds one for each task, so
// neither takes memory of its own for each.
//
// Used under its owner's lock.
class RememberedIds {
 public:
  explicit RememberedIds(std::size_t most) : most_(most) {}

  void add(std::string id);
  bool contains(std::string_view id) const noexcept;
  // Oldest first.
  std::vector<std::string> in_order() const;

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t place = 0;  // in the ring, from 1; 0: free
  };

  // Its slot, or the free one where it would be.
  std::size_t find(std::string_view id, std::uint32_t hash) const noexcept;
  void remove(std::size_t slot) noexcept;
  void grow();

  const std::size_t most_;
  std::vector<std::string> ring_;
  std::size_t oldest_ = 0;   // once the ring is full
  std::vector<Slot> slots_;  // open addressing: a power of two, at most half of them taken
};

}  // namespace millrace::tasks
