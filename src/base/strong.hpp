// Integers that do not mix: an offset is not a sequence number, two ids do not add.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace millrace {

template <class Tag, class Rep = std::uint64_t>
struct Strong {
  Rep value{};

  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) noexcept : value(v) {}
  friend constexpr auto operator<=>(Strong, Strong) = default;
  constexpr Strong next() const noexcept { return Strong(static_cast<Rep>(value + 1)); }
};

}  // namespace millrace

template <class Tag, class Rep>
struct std::hash<millrace::Strong<Tag, Rep>> {
  std::size_t operator()(millrace::Strong<Tag, Rep> id) const noexcept {
    // Ids are dense; the multiplication spreads them over power-of-two tables.
    return static_cast<std::size_t>(static_cast<std::uint64_t>(id.value) * 0x9e3779b97f4a7c15ull);
  }
};
