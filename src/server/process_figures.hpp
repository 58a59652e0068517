// What the operating system says of this process.
#pragma once

#include <cstdint>
#include <string>

#include "management/api.hpp"

namespace millrace::server {

// `data_dir`: whose disk is looked at. Takes some tens of microseconds.
management::ProcessFigures process_figures(const std::string& data_dir);

// That the process may have: the machine's, or of its control group (v2), if that is less.
std::uint64_t memory_total_bytes();

// "millrace@host"
std::string node_name();

}  // namespace millrace::server
