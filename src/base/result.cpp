#include "base/result.hpp"

namespace millrace {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::access_refused:
      return "access refused";
    case Errc::not_found:
      return "not found";
    case Errc::resource_locked:
      return "resource locked";
    case Errc::precondition_failed:
      return "precondition failed";
    case Errc::not_allowed:
      return "not allowed";
    case Errc::not_implemented:
      return "not implemented";
    case Errc::invalid_argument:
      return "invalid argument";
    case Errc::content_too_large:
      return "content too large";
    case Errc::resource_error:
      return "resource error";
    case Errc::io_error:
      return "input/output error";
    case Errc::disk_full:
      return "disk full";
    case Errc::corrupt:
      return "corrupt";
    case Errc::shutting_down:
      return "shutting down";
    case Errc::internal_error:
      return "internal error";
  }
  return "unknown error";
}

}  // namespace millrace
