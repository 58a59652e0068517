// One byte stream, a socket as a rule, and the session that speaks on it.
//
// Reading: one read of up to Pump::kReadBytes a turn into the shard's shared buffer; what the session leaves
// over is copied to a buffer of the connection's own, which is given back when it is empty. Writing: what the
// session put into the output queue goes out by one gathered write at the end of the turn; what the kernel
// does not take goes on when it has room.
//
// Bounds: a session stops deliveries while kOutputHighBytes wait to be sent. A peer that asks and does not
// read the answers is not read from while kUnreadAnswersMax of them wait.
//
// Ends: by the peer, by an error or by the session. The session hears on_disconnected in a later turn and is
// deleted after session_done().
#pragma once

#include <cstdint>
#include <memory>

#include "base/buffer.hpp"
#include "base/output_queue.hpp"
#include "protocol/amqp091/transport.hpp"
#include "runtime/executor.hpp"
#include "runtime/os/byte_stream.hpp"
#include "server/byte_session.hpp"

namespace millrace::server {

class Pump;

class Connection final : public amqp091::Transport, private runtime::ByteStream::Waiter {
 public:
  static constexpr std::size_t kOutputHighBytes = 1u << 20;
  static constexpr std::size_t kUnreadAnswersMax = 4u << 20;
  // A buffer of at most this size stays with an idle connection.
  static constexpr std::size_t kIdleBufferBytes = 1024;
  // How long a peer may take to close its side once everything was sent to it.
  static constexpr runtime::Milliseconds kLinger{2000};
  // And how long it may take to read that.
  static constexpr runtime::Milliseconds kCloseTimeout{10'000};

  Connection(Pump& pump, std::uint64_t id, std::unique_ptr<runtime::ByteStream> stream);
  ~Connection() override;

  std::uint64_t id() const noexcept { return id_; }
  void begin(std::unique_ptr<ByteSession> session);

  // For the pump.
  void flush();      // at the end of the turn, when listed
  void run_later();  // in the turn after, when scheduled
  bool trim();       // gives idle memory back; false: was busy, try again
  bool may_delete() const noexcept;
  void arrive(Pump& pump, std::uint64_t id);  // on its new thread

  // Transport.
  OutputQueue& output() override { return output_; }
  void want_flush() override;
  void close_after_flush() override;
  void close_now() override;
  void pause_reading() override { paused_ = true; }
  void resume_reading() override;
  amqp091::TimerId start_timer(std::uint32_t delay_ms, Task task) override;
  void cancel_timer(amqp091::TimerId timer) override;
  void move_to(broker::ShardId shard) override;
  void session_done() override;

 private:
  enum class State : std::uint8_t {
    open,
    closing,    // sends what is there, then lingers
    lingering,  // our side is shut; waits for the peer to close its own, discarding what still comes
    closed,
  };

  void arm_read();
  void arm_write();
  void on_readable() override;
  void on_writable() override;
  void read_some();
  // Offers bytes to the session; keeps what it leaves over.
  void offer_shared(std::size_t bytes);
  void offer_leftover();
  std::size_t offer(ByteView bytes);
  void discard_input();
  void linger();
  void close_stream();
  void schedule();
  void want_trim();
  bool reading_held() const noexcept;
  // Nothing of this loop may refer to it when it leaves: no armed wait, no list of the pump's.
  void leave_if_free();

  Pump* pump_;
  std::uint64_t id_;
  const std::unique_ptr<runtime::ByteStream> stream_;
  std::unique_ptr<ByteSession> session_;
  OutputQueue output_;
  Buffer leftover_;
  std::size_t answers_bytes_ = 0;    // written by on_bytes since the output was last empty
  std::size_t last_read_bytes_ = 0;  // tells a trickle from a stream
  runtime::TimerId close_timer_;
  Pump* moving_to_ = nullptr;  // the session is not called meanwhile
  State state_ = State::open;
  bool paused_ = false;
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool flush_listed_ = false;
  bool scheduled_ = false;
  bool offer_again_ = false;  // resume_reading was called: offer the leftover
  bool written_due_ = false;  // tell the session that there is room
  bool disconnect_due_ = false;
  bool session_gone_ = false;
  bool trim_listed_ = false;
  bool busy_ = false;  // wrote or read since the last look at its memory
};

}  // namespace millrace::server
