// Hash maps keyed by text that can be asked with a string_view.
#pragma once

#include <boost/unordered/unordered_map.hpp>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::broker {

struct TextHash {
  using is_transparent = void;
  using is_avalanching = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
struct TextEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept { return a == b; }
};

// Addresses of values stay the same while others come and go.
template <class T>
using TextMap = boost::unordered_map<std::string, T, TextHash, TextEqual>;

}  // namespace millrace::broker
