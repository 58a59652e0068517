// Directories that are there after a power cut.
#pragma once

#include <string>

#include "base/result.hpp"
#include "runtime/file_system.hpp"

namespace millrace::storage {

// Creates the directory and its parents, and syncs the names of all that are new; fine when it exists.
// Errors: io_error, disk_full.
result<void> create_directory_durably(runtime::FileSystem& files, const std::string& path);

}  // namespace millrace::storage
