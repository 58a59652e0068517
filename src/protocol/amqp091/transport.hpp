// What a session needs of the world: a place to write to, a socket's ends, and timers. The server's pump
// implements it; tests drive a session by a fake.
//
// Thread: the connection's shard. No call of Session may be made from inside a call of Transport.
#pragma once

#include <cstdint>

#include "base/output_queue.hpp"
#include "base/strong.hpp"
#include "base/task.hpp"
#include "broker/ids.hpp"

namespace millrace::amqp091 {

using TimerId = Strong<struct SessionTimerTag>;

class Transport {
 public:
  virtual ~Transport() = default;

  // The same queue for the session's whole life.
  virtual OutputQueue& output() = 0;
  // There is something to send; writing may wait for the end of the pump's turn. May come more than once a
  // turn.
  virtual void want_flush() = 0;
  // Send what is there, then close. Nothing is read any more.
  virtual void close_after_flush() = 0;
  // Close and drop what is unsent.
  virtual void close_now() = 0;

  // Between the two, on_bytes must not be called. After resume the pump calls on_bytes with what was left,
  // even if nothing new has arrived, but not from inside resume_reading().
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;

  // Runs the task once on this shard, not from inside this call. Cancelling one that has run is allowed.
  virtual TimerId start_timer(std::uint32_t delay_ms, Task task) = 0;
  virtual void cancel_timer(TimerId timer) = 0;

  // While reading is paused: takes the connection to that shard's thread, where the pump tells the session of
  // it. Until then the session is not called any more, and calls nothing. No timer of the session's may run.
  virtual void move_to(broker::ShardId shard) = 0;

  // The socket was gone and now the broker has let go too: delete the session, later, not from inside this
  // call.
  virtual void session_done() = 0;
};

}  // namespace millrace::amqp091
