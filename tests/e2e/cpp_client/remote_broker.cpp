// The driver drives a server.
#include "cpp_client/broker.hpp"

std::string reach_broker(const std::string& argument) {
  return argument;
}

void leave_broker() {}
