// Which broker the driver drives: the one of its second argument, or one that the driver starts in itself.
#pragma once

#include <string>

// The address for clients. The broker, if it is started here, lives until the process ends.
std::string reach_broker(const std::string& argument);
// In order, when the driver has done its work.
void leave_broker();
