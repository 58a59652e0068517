// The queues that a load needs, and the exchange before them.
#pragma once

#include <cstdint>
#include <string>

#include "load/connection.hpp"
#include "load/options.hpp"

namespace millrace::load {

// Deletes what is left of an earlier run and declares all anew.
void declare_topology(Connection& connection, const Options& options);
void delete_topology(Connection& connection, const Options& options);

// What the queues hold together, by passive declares.
std::uint64_t count_messages(Connection& connection, const Options& options);

// How producer `index` publishes.
std::string exchange_of(const Options& options);
std::string routing_key_of(const Options& options, std::uint32_t producer);

}  // namespace millrace::load
