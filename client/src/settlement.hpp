// What becomes of one delivery.
#pragma once

#include <cstdint>

namespace millrace::client {

struct Settlement {
  enum class How : std::uint8_t { ack, requeue, reject };

  std::uint16_t channel = 0;
  How how = How::ack;
  // So many settlements may wait for each other before they leave: half of the channel's prefetch, so that
  // the broker does not run out of credit meanwhile.
  std::uint16_t together = 1;
  std::uint64_t epoch = 0;  // of the channel: a later one knows nothing of its tag
  std::uint64_t tag = 0;
};

}  // namespace millrace::client
