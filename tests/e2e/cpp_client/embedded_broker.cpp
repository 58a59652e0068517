// The driver has the broker in itself: its argument is a data directory, or "memory".
#include <millrace/embedded.hpp>
#include <optional>

#include "cpp_client/broker.hpp"

namespace {
std::optional<millrace::embedded> broker;
}

std::string reach_broker(const std::string& argument) {
  broker.emplace(millrace::embedded_options{.data_dir = argument == "memory" ? "" : argument});
  return broker->address();
}

void leave_broker() {
  broker.reset();
}
