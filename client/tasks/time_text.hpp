// Times as Celery writes them into headers and results: ISO 8601, "2026-11-20T13:02:35.564104+00:00".
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::tasks {

using WallTime = std::chrono::system_clock::time_point;

std::string to_text(WallTime time);  // in UTC, with microseconds
// With or without a fraction and an offset ("Z", "+02:00", "+0200"); without one it is UTC. Nothing for what
// is no time.
std::optional<WallTime> time_from(std::string_view text);
// Seconds since 1970, as events carry them.
double seconds_of(WallTime time);

}  // namespace millrace::tasks
