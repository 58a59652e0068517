// For the server alone: the Asio context that a shard's sockets are made with.
#pragma once

#include <boost/asio/io_context.hpp>

#include "runtime/os/shard_loop.hpp"

namespace millrace::runtime {

// Its handlers run on the loop's thread, as part of turns. Never run or stopped by others.
boost::asio::io_context& io_context_of(ShardLoop& loop) noexcept;

}  // namespace millrace::runtime
