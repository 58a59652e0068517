#include "load/confirm_window.hpp"

#include <fmt/format.h>

#include <bit>

#include "load/failure.hpp"

namespace millrace::load {

ConfirmWindow::ConfirmWindow(std::uint32_t limit)
    : limit_(limit), mask_(std::bit_ceil(std::size_t{limit} * 4) - 1), sent_(mask_ + 1) {}

bool ConfirmWindow::settle(std::uint64_t tag, std::uint64_t now, Counters& counters) noexcept {
  std::uint64_t& sent = sent_[static_cast<std::size_t>(tag) & mask_];
  if (sent == kSettled) return false;
  if (counters.measuring) counters.confirm_latency.record(now > sent ? now - sent : 0);
  sent = kSettled;
  --open_;
  ++counters.confirmed;
  return true;
}

void ConfirmWindow::confirm(std::uint64_t tag, bool multiple, std::uint64_t now, Counters& counters) {
  if (tag == 0 || tag >= next_)
    throw Failure(fmt::format("the broker confirmed publish {}, which was not sent", tag));
  if (multiple) {
    if (tag < lowest_) throw Failure(fmt::format("the broker confirmed publish {} twice", tag));
    for (std::uint64_t t = lowest_; t <= tag; ++t) settle(t, now, counters);
  } else if (tag < lowest_ || !settle(tag, now, counters)) {
    throw Failure(fmt::format("the broker confirmed publish {} twice", tag));
  }
  while (lowest_ < next_ && sent_[static_cast<std::size_t>(lowest_) & mask_] == kSettled) ++lowest_;
}

}  // namespace millrace::load
