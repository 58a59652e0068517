// Paths as file systems take them, by their text alone.
#pragma once

#include <string>

namespace millrace::runtime {

// Without slashes at its end.
inline std::string normal_path(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Where it lies: "." for a name alone, "/" for what is at the top.
inline std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
  if (slash == std::string::npos) return ".";
  const std::size_t end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

// Of file systems that know no other beginning.
inline bool is_root(const std::string& path) {
  return path == "/" || path == "." || path.empty();
}

}  // namespace millrace::runtime
