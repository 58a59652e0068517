#include "management/memory.hpp"

#include <algorithm>

namespace millrace::management {
namespace {

constexpr std::string_view kOfErlang[] = {"connection_readers",
                                          "connection_writers",
                                          "connection_channels",
                                          "connection_other",
                                          "quorum_queue_procs",
                                          "quorum_queue_dlx_procs",
                                          "stream_queue_procs",
                                          "stream_queue_replica_reader_procs",
                                          "stream_queue_coordinator_procs",
                                          "plugins",
                                          "metadata_store",
                                          "metadata_store_ets",
                                          "other_proc",
                                          "metrics",
                                          "mgmt_db",
                                          "mnesia",
                                          "quorum_ets",
                                          "other_ets",
                                          "binary",
                                          "msg_index",
                                          "code",
                                          "atom",
                                          "allocated_unused",
                                          "reserved_unallocated"};

}  // namespace

std::vector<MemoryPart> memory_parts(const broker::NodeStatistics& now, std::uint64_t resident_bytes) {
  std::vector<MemoryPart> parts;
  for (const std::string_view name : kOfErlang) parts.push_back({name});
  // What is counted may have been given back since.
  const auto messages = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.message_memory_bytes));
  const std::uint64_t shown = std::min(messages, resident_bytes);
  parts.push_back({"queue_procs", shown});
  parts.push_back({"other_system", resident_bytes - shown});
  return parts;
}

std::uint64_t hundredths(std::uint64_t part, std::uint64_t whole) noexcept {
  if (part == 0 || whole == 0) return 0;
  return std::max<std::uint64_t>(1, (part * 100 + whole / 2) / whole);
}

}  // namespace millrace::management
