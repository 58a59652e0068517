// A hash map by name that is searched by string_view without making a string.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::broker {

struct NameHash {
  using is_transparent = void;
  using is_avalanching = void;  // std::hash of text is a murmur hash: every bit counts
  std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
};

template <class T>
using NameMap = boost::unordered_flat_map<std::string, T, NameHash, std::equal_to<>>;

}  // namespace millrace::broker
