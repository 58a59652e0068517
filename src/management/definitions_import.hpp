// RabbitMQ's definitions JSON (`rabbitmqctl export_definitions`, the management API) as changes of our
// definitions, in an order in which they can be applied.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "broker/definitions/change.hpp"

namespace millrace::management {

struct ImportedDefinitions {
  std::vector<broker::Change> changes;
  // What the file has and this broker does not: one line each, for the operator.
  std::vector<std::string> notes;
};

using RandomBytes = std::function<void(std::span<std::uint8_t>)>;

// invalid_argument names the element: "queues[3] (name 'q'): 'durable' must be true or false". Cleartext
// passwords are hashed with salts from `random`, which takes some 30 ms each. Exchanges that every vhost has
// are left out. Pure but for `random`.
result<ImportedDefinitions> import_definitions(std::string_view json, const RandomBytes& random);

// The same from a file; errors begin with its name. io_error when it cannot be read.
result<ImportedDefinitions> read_definitions(const std::string& path, const RandomBytes& random);

}  // namespace millrace::management
