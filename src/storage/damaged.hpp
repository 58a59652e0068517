// What reading says of a file whose bytes are not those that were written.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::storage {

// corrupt: nothing of it is used until an operator has looked. `what` is the kind of file.
inline Error damaged(std::string_view what, const std::string& path, std::string_view how) {
  return fail(Errc::corrupt, "the " + std::string(what) + " '" + path + "' is damaged (" + std::string(how) +
                                 "): run millrace repair");
}

}  // namespace millrace::storage
