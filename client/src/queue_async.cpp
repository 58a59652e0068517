#include "millrace/queue_async.hpp"

namespace millrace {
namespace {

// Boost's base class has no virtual destructor; a category is never destroyed through it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class QueueCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "millrace.queue"; }
  std::string message(int code) const override {
    switch (static_cast<queue_errc>(code)) {
      case queue_errc::closed:
        return "the queue is closed";
      case queue_errc::item_refused:
        return "what orders the queue threw an exception over the item";
    }
    return "unknown";
  }
};
#pragma GCC diagnostic pop

const QueueCategory kCategory;

}  // namespace

const boost::system::error_category& queue_category() noexcept {
  return kCategory;
}

boost::system::error_code detail::error_of(WaitEnd end) noexcept {
  switch (end) {
    case WaitEnd::kDone:
      return {};
    case WaitEnd::kClosed:
      return queue_errc::closed;
    case WaitEnd::kCancelled:
      return boost::asio::error::operation_aborted;
    case WaitEnd::kNoMemory:
      return boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
    case WaitEnd::kRefused:
      return queue_errc::item_refused;
  }
  return {};
}

}  // namespace millrace
