// AMQP 0-9-1 sessions for the pump.
#pragma once

#include "broker/connection.hpp"
#include "protocol/amqp091/options.hpp"
#include "server/byte_session.hpp"

namespace millrace::server {

// The options outlive the sessions.
SessionFactory amqp_sessions(const amqp091::SessionOptions& options);

}  // namespace millrace::server
