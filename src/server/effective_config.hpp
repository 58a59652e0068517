// What the broker is configured to do, for people and tools that compare.
#pragma once

#include <string>

#include "server/config.hpp"

namespace millrace::server {

// Every option with what it was given, or what holds without it, as an Erlang term: what RabbitMQ's GET
// /api/config/effective answers is one. Secrets are in files, which are named and not read; of a URL what may
// be one is left out: whoever is before the host, and the query.
std::string effective_config(const Config& config);

}  // namespace millrace::server
