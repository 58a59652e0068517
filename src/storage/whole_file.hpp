// Small files that are read and replaced whole.
#pragma once

#include <span>
#include <string>

#include "base/buffer.hpp"
#include "base/result.hpp"
#include "runtime/file_system.hpp"

namespace millrace::storage {

// Errors: not_found, io_error.
result<Buffer> read_whole_file(runtime::FileSystem& files, const std::string& path);

// Writes the parts to NAME.tmp, syncs it, renames it to NAME and syncs the directory: a power cut leaves the
// old file or the new one, and after success it is the new one. An error before the renaming leaves the old
// file; one after it leaves the new one in place without the promise that it stays there.
result<void> replace_file(runtime::FileSystem& files, const std::string& directory, const std::string& name,
                          std::span<const ByteView> parts);

// What is appended to a file's name until the file is whole. Such files are never read, and are removed at
// start-up.
inline constexpr std::string_view kUnfinishedSuffix = ".tmp";

}  // namespace millrace::storage
