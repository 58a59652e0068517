// What the operating system says of this process.
#pragma once

#include <string>

#include "management/api.hpp"

namespace millrace::server {

// `data_dir`: whose disk is looked at. Takes some tens of microseconds.
management::ProcessFigures process_figures(const std::string& data_dir);

// "millrace@host"
std::string node_name();

}  // namespace millrace::server
