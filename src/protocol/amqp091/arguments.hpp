// Field tables as the core's values.
#pragma once

#include "broker/value.hpp"
#include "codec/amqp091/table.hpp"

namespace millrace::amqp091 {

// Of a table that valid() accepts, which bounds its depth. Keeps each value's type octet.
broker::Value to_value(ValueView value);
broker::Arguments to_arguments(TableView table);

}  // namespace millrace::amqp091
