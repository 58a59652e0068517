// Messages and tables of the public headers to and from the bytes of AMQP 0-9-1.
#pragma once

#include <string_view>

#include "base/buffer.hpp"
#include "codec/amqp091/properties.hpp"
#include "codec/amqp091/table.hpp"
#include "millrace/message.hpp"

namespace millrace::client {

// Throws a ClientError that names the text which is longer than the 255 bytes that AMQP's short texts have.
void check_short_text(std::string_view what, std::string_view text);

// Appends the entries of a table. Throws a ClientError for keys over 255 bytes and tables too deep.
void write_table(Buffer& out, const FieldTable& table);
FieldTable read_table(amqp091::TableView table);

// The property block of a message. Throws a ClientError for a property that does not fit.
void write_message_properties(Buffer& out, const Message& message);
// All but the body. False: malformed.
bool read_message_properties(ByteView raw, Message& message);

}  // namespace millrace::client
