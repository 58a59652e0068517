// Ids and names that nobody else makes up.
#pragma once

#include <string>

namespace millrace::tasks {

// A random UUID (RFC 9562 §5.4), as Celery names its tasks.
std::string make_id();
// Of this machine; Celery puts it behind the @ of its names.
std::string host_name();

}  // namespace millrace::tasks
