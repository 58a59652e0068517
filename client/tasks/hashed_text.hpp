// A text and its hash, for who looks it up in several tables.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string_view>

namespace millrace::tasks {

// A view.
struct HashedText {
  HashedText(std::convertible_to<std::string_view> auto const& of)
      : text(of), hash(std::hash<std::string_view>()(text)) {}
  HashedText(std::string_view of, std::size_t its_hash) noexcept : text(of), hash(its_hash) {}

  bool operator==(const HashedText& other) const noexcept { return hash == other.hash && text == other.text; }
  struct Hash {
    std::size_t operator()(const HashedText& of) const noexcept { return of.hash; }
  };

  std::string_view text;
  std::size_t hash;
};

}  // namespace millrace::tasks
