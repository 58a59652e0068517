#include "management/memory.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string_view>

namespace millrace::management {
namespace {

std::map<std::string_view, std::uint64_t> parts(std::int64_t message_bytes, std::uint64_t resident_bytes) {
  broker::NodeStatistics now;
  now.message_memory_bytes = message_bytes;
  std::map<std::string_view, std::uint64_t> found;
  for (const MemoryPart& part : memory_parts(now, resident_bytes)) {
    EXPECT_TRUE(found.emplace(part.name, part.bytes).second) << part.name << " is there twice";
  }
  return found;
}

TEST(MemoryParts, are_messages_and_all_else_and_nothing_of_erlang) {
  for (const auto& [name, bytes] : parts(300, 1000)) {
    EXPECT_EQ(bytes, name == "queue_procs" ? 300u : name == "other_system" ? 700u : 0u) << name;
  }
  // What rabbit_vm:memory/0 names, but for the total and the strategy.
  EXPECT_EQ(parts(0, 0).size(), 26u);
}

// Counted by the queues and by the system at two moments: neither is to be seen as a number below zero.
TEST(MemoryParts, are_no_more_than_what_the_process_has) {
  for (const std::int64_t messages : {std::int64_t{1001}, INT64_MAX, std::int64_t{-1}, INT64_MIN}) {
    const auto found = parts(messages, 1000);
    EXPECT_EQ(found.at("queue_procs"), messages < 0 ? 0u : 1000u) << messages;
    EXPECT_EQ(found.at("queue_procs") + found.at("other_system"), 1000u) << messages;
  }
}

// A part that is there is not to be taken for one that is not.
TEST(Hundredths, are_rounded_and_one_at_least_of_what_is_there) {
  EXPECT_EQ(hundredths(0, 1000), 0u);
  EXPECT_EQ(hundredths(1, std::uint64_t{1} << 40), 1u);
  EXPECT_EQ(hundredths(304, 1000), 30u);
  EXPECT_EQ(hundredths(305, 1000), 31u);
  EXPECT_EQ(hundredths(1000, 1000), 100u);
  EXPECT_EQ(hundredths(1, 0), 0u);
}

}  // namespace
}  // namespace millrace::management
