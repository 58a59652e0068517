// Declarations and their kin as methods on a channel.
#pragma once

#include <cstdint>
#include <string>

#include "base/buffer.hpp"
#include "millrace/definitions.hpp"

namespace millrace::client {

// Each throws a ClientError when a name or argument does not fit into AMQP's types.
void write_declare(Buffer& out, std::uint16_t channel, const QueueSpec& queue, bool passive = false);
void write_declare(Buffer& out, std::uint16_t channel, const ExchangeSpec& exchange, bool passive = false);
void write_bind(Buffer& out, std::uint16_t channel, const BindingSpec& binding);
void write_unbind(Buffer& out, std::uint16_t channel, const BindingSpec& binding);

std::string describe(const QueueSpec& queue);
std::string describe(const ExchangeSpec& exchange);
std::string describe(const BindingSpec& binding);

}  // namespace millrace::client
