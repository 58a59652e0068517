// The brokers that run in this process, by the names in their addresses: embedded://NAME.
//
// The one table of the process, as the ports of a machine are one: an address is text from a configuration,
// and has to lead to a broker from anywhere. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "client/src/byte_pipe.hpp"

namespace millrace::client {

// Takes the broker's end of a new connection. False: no more connections. Called with the table locked.
using AcceptInProcess = std::function<bool(PipeEnd)>;

// False: a broker of that name runs already.
bool add_in_process(const std::string& name, AcceptInProcess accept);
// Once this returns `accept` is not running and will not be called again.
void remove_in_process(const std::string& name);

struct Dialled {
  bool found = false;          // there is a broker of that name
  std::optional<PipeEnd> end;  // and it has taken the connection
};
Dialled dial_in_process(const std::string& name);

}  // namespace millrace::client
