// Two-way byte streams as the server's pump sees them: a socket, or memory shared with another thread.
//
// Non-blocking. On the thread of the loop that it is attached to, but for the destructor of one that is
// attached to none.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/os/shard_loop.hpp"

namespace millrace::runtime {

class ByteStream {
 public:
  enum class Outcome : std::uint8_t {
    moved,
    not_now,  // nothing to read, no room to write: wait
    ended,    // the peer has closed its side, or the stream is broken
  };
  struct Moved {
    Outcome outcome = Outcome::not_now;
    std::size_t bytes = 0;  // above 0 when moved
  };
  // Called in turns of the loop, never from inside a call of the stream.
  class Waiter {
   public:
    virtual void on_readable() = 0;
    virtual void on_writable() = 0;

   protected:
    ~Waiter() = default;
  };

  virtual ~ByteStream() = default;  // closes

  // Before anything else, and again after detach(). False: the system has no room for it; it is closed.
  virtual bool attach(ShardLoop& loop, Waiter& waiter) = 0;
  // Lets go of the loop, to be attached to another one. While no wait is armed.
  virtual void detach() = 0;

  virtual Moved read(std::span<std::uint8_t> into) = 0;
  virtual Moved write(std::span<const iovec> parts) = 0;

  // Each arms one call of the waiter, which comes for sure: when it is time, or after cancel_waits() or
  // close(). One of each kind at a time.
  virtual void wait_readable() = 0;
  virtual void wait_writable() = 0;
  virtual void cancel_waits() = 0;

  // The peer reads the end behind what was written. False when the stream is broken.
  virtual bool shut_down_writing() = 0;
  virtual void close() = 0;
};

}  // namespace millrace::runtime
