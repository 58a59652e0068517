// Closing connections that the API lists.
#pragma once

#include <cstdint>
#include <string>

#include "cli/rabbitmqctl/ctl.hpp"

namespace millrace::cli::rabbitmqctl {

// Of the connections in the list at `path`: how many were closed. Those that went by themselves are not
// counted.
std::uint64_t close_those_at(Ctl& ctl, const std::string& path, const std::string& reason);

}  // namespace millrace::cli::rabbitmqctl
