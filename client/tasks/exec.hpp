// What each way of starting a program needs.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::tasks {

// As exec takes them: their bytes, and a null behind the last. They point into `texts`.
inline std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// This process's, "NAME=value".
inline std::vector<std::string> own_variables() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

// Of this process, soft and hard; 0: none. Safe between fork and exec.
inline void limit_resource(__rlimit_resource_t resource, std::uint64_t most) noexcept {
  if (most == 0) return;
  const rlimit both{most, most};
  setrlimit(resource, &both);
}

}  // namespace millrace::tasks
