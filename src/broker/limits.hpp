// The limits that an administrator may set for a user or a vhost, by the names that the HTTP API has.
//
// Rates are in a second, and hold publishers back: a connection that is ahead of one is not read until it is
// not. The others are counts, and refuse what is beyond.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

namespace millrace::broker {

inline constexpr std::string_view kMaxPublishRate = "max-publish-rate";        // messages, of all together
inline constexpr std::string_view kMaxPublishBytes = "max-publish-byte-rate";  // of bodies, of all together
inline constexpr std::string_view kMaxConnectionRate = "max-connection-publish-rate";  // of each connection
inline constexpr std::string_view kMaxConnectionBytes = "max-connection-publish-byte-rate";

inline constexpr std::string_view kUserLimits[] = {"max-connections",  "max-channels",
                                                   kMaxPublishRate,    kMaxPublishBytes,
                                                   kMaxConnectionRate, kMaxConnectionBytes};
inline constexpr std::string_view kVhostLimits[] = {"max-connections", "max-queues", kMaxPublishRate,
                                                    kMaxPublishBytes};

inline bool is_limit(bool of_user, std::string_view name) noexcept {
  const std::span<const std::string_view> known =
      of_user ? std::span<const std::string_view>(kUserLimits) : kVhostLimits;
  return std::find(known.begin(), known.end(), name) != known.end();
}

}  // namespace millrace::broker
