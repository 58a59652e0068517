// What the memory of the process is used for, in RabbitMQ's words.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/statistics.hpp"

namespace millrace::management {

struct MemoryPart {
  std::string_view name;  // as rabbit_vm names it
  std::uint64_t bytes = 0;
};

// Together they are what the process has. What belongs to Erlang is 0: tools want a number for each.
std::vector<MemoryPart> memory_parts(const broker::NodeStatistics& now, std::uint64_t resident_bytes);

// Of the whole; 1 for what is there and less.
std::uint64_t hundredths(std::uint64_t part, std::uint64_t whole) noexcept;

}  // namespace millrace::management
