#include "server/connection.hpp"

#include <array>
#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "server/pump.hpp"

namespace millrace::server {

using Outcome = runtime::ByteStream::Outcome;

Connection::Connection(Pump& pump, std::uint64_t id, std::unique_ptr<runtime::ByteStream> stream)
    : pump_(&pump), id_(id), stream_(std::move(stream)) {
  if (!stream_->attach(pump.loop(), *this)) state_ = State::closed;
}

Connection::~Connection() {
  pump_->loop().cancel(close_timer_);
}

void Connection::begin(std::unique_ptr<ByteSession> session) {
  session_ = std::move(session);
  if (state_ == State::closed) {
    disconnect_due_ = true;
    schedule();
    return;
  }
  arm_read();
}

bool Connection::may_delete() const noexcept {
  return state_ == State::closed && session_gone_ && !read_armed_ && !write_armed_ && !scheduled_ &&
         !flush_listed_;
}

// Reading.

bool Connection::reading_held() const noexcept {
  return answers_bytes_ > kUnreadAnswersMax && output_.size() > kUnreadAnswersMax;
}

void Connection::arm_read() {
  if (read_armed_ || state_ == State::closed) return;
  if (state_ != State::lingering && (state_ != State::open || paused_ || reading_held())) return;
  read_armed_ = true;
  stream_->wait_readable();
}

void Connection::on_readable() {
  read_armed_ = false;
  if (moving_to_ != nullptr) return leave_if_free();
  switch (state_) {
    case State::open:
      if (!paused_) read_some();
      arm_read();
      break;
    case State::lingering:
      discard_input();
      break;
    case State::closing:
      break;
    case State::closed:
      pump_->delete_if_done(*this);
      break;
  }
}

void Connection::read_some() {
  // A long frame that comes in small reads gathers in its own buffer instead of being copied back and forth.
  const bool gather = leftover_.size() > last_read_bytes_ || leftover_.size() > Pump::kReadBytes / 2;
  std::uint8_t* into = nullptr;
  std::size_t room = Pump::kReadBytes;
  if (gather) {
    room /= 4;
    into = leftover_.reserve(room);
  } else {
    into = pump_->read_buffer();
    if (!leftover_.empty()) std::memcpy(into, leftover_.data(), leftover_.size());
    into += leftover_.size();
    room -= leftover_.size();
  }
  const auto [outcome, got] = stream_->read({into, room});
  if (outcome == Outcome::not_now) return;
  if (outcome == Outcome::ended) return close_stream();
  busy_ = true;
  last_read_bytes_ = got;
  if (gather) {
    leftover_.commit(last_read_bytes_);
    offer_leftover();
  } else {
    const std::size_t held = leftover_.size();
    leftover_.clear();
    offer_shared(held + last_read_bytes_);
  }
}

std::size_t Connection::offer(ByteView bytes) {
  const std::size_t before = output_.size();
  if (before == 0) answers_bytes_ = 0;
  const std::size_t used = session_->on_bytes(bytes);
  MILLRACE_ASSERT(used <= bytes.size(), "a session used more than it was given");
  if (output_.size() > before) answers_bytes_ += output_.size() - before;
  return used;
}

void Connection::offer_shared(std::size_t bytes) {
  const ByteView received(pump_->read_buffer(), bytes);
  const std::size_t used = offer(received);
  if (state_ != State::open) return;
  leftover_.append(received.subspan(used));
  if (leftover_.capacity() > kIdleBufferBytes) want_trim();
}

void Connection::offer_leftover() {
  leftover_.consume(offer(leftover_.view()));
  if (leftover_.capacity() > kIdleBufferBytes) want_trim();
}

void Connection::resume_reading() {
  paused_ = false;
  offer_again_ = true;
  schedule();
}

void Connection::discard_input() {
  if (stream_->read({pump_->read_buffer(), Pump::kReadBytes}).outcome == Outcome::ended)
    return close_stream();
  arm_read();
}

// Writing.

void Connection::want_flush() {
  if (flush_listed_ || state_ == State::closed) return;
  flush_listed_ = true;
  pump_->add_dirty(*this);
}

void Connection::flush() {
  flush_listed_ = false;
  if (moving_to_ != nullptr) return schedule();
  if (state_ == State::closed) return pump_->delete_if_done(*this);
  if (write_armed_ || state_ == State::lingering) return;
  const std::size_t before = output_.size();
  const bool held = reading_held();
  while (!output_.empty()) {
    std::array<iovec, 64> parts;
    const std::span<const iovec> filled(parts.data(), output_.gather(parts));
    std::size_t asked = 0;
    for (const iovec& part : filled) asked += part.iov_len;
    const auto [outcome, sent] = stream_->write(filled);
    if (outcome == Outcome::ended) return close_stream();
    output_.consume(sent);
    if (sent < asked) {
      arm_write();
      break;
    }
  }
  busy_ = true;
  if (output_.tail().capacity() > kIdleBufferBytes) want_trim();
  if (before > kOutputHighBytes && output_.size() <= kOutputHighBytes) {
    written_due_ = true;
    schedule();
  }
  if (held && !reading_held()) schedule();
  if (state_ == State::closing && output_.empty()) linger();
}

void Connection::arm_write() {
  if (write_armed_) return;
  write_armed_ = true;
  stream_->wait_writable();
}

void Connection::on_writable() {
  write_armed_ = false;
  if (moving_to_ != nullptr) return leave_if_free();
  if (state_ == State::closed) return pump_->delete_if_done(*this);
  want_flush();
}

// Ends.

void Connection::close_after_flush() {
  if (state_ != State::open) return;
  state_ = State::closing;
  close_timer_ = pump_->loop().start(kCloseTimeout, [this] { close_stream(); });
  want_flush();
}

void Connection::close_now() {
  close_stream();
}

// Closing at once while input is unread would reset the connection, and the peer might lose what was just
// sent to it: the reason why it was closed.
void Connection::linger() {
  state_ = State::lingering;
  if (!stream_->shut_down_writing()) return close_stream();
  pump_->loop().cancel(close_timer_);
  close_timer_ = pump_->loop().start(kLinger, [this] { close_stream(); });
  arm_read();
}

void Connection::close_stream() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  stream_->close();  // armed waits end in a later turn
  output_.clear();
  if (!session_gone_) disconnect_due_ = true;
  schedule();
}

void Connection::session_done() {
  session_gone_ = true;
  disconnect_due_ = false;
  if (state_ == State::open) close_after_flush();
  schedule();
}

// What may not be done from inside a session's call or at the end of a turn.

void Connection::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  pump_->add_scheduled(*this);
}

void Connection::run_later() {
  scheduled_ = false;
  if (moving_to_ != nullptr) return leave_if_free();
  if (std::exchange(disconnect_due_, false)) session_->on_disconnected();
  if (session_gone_) session_.reset();
  if (state_ == State::closed) return pump_->delete_if_done(*this);
  if (!session_) return;
  if (std::exchange(written_due_, false)) session_->on_written();
  if (std::exchange(offer_again_, false) && state_ == State::open && !paused_) offer_leftover();
  arm_read();
}

amqp091::TimerId Connection::start_timer(std::uint32_t delay_ms, Task task) {
  return amqp091::TimerId(pump_->loop().start(runtime::Milliseconds(delay_ms), std::move(task)).value);
}

void Connection::cancel_timer(amqp091::TimerId timer) {
  pump_->loop().cancel(runtime::TimerId(timer.value));
}

// Moving to another shard's thread.

void Connection::move_to(broker::ShardId shard) {
  moving_to_ = &pump_->of_shard(shard);
  stream_->cancel_waits();  // they end in a later turn
  schedule();
}

void Connection::leave_if_free() {
  if (read_armed_ || write_armed_ || flush_listed_ || scheduled_) return;
  Pump& to = *std::exchange(moving_to_, nullptr);
  stream_->detach();
  trim_listed_ = false;  // the list finds nobody under the old number
  pump_->hand_over(*this, to);
}

void Connection::arrive(Pump& pump, std::uint64_t id) {
  pump_ = &pump;
  id_ = id;
  const bool attached = stream_->attach(pump.loop(), *this);
  session_->on_moved(pump.gate());
  if (!attached) return close_stream();
  if (!output_.empty()) want_flush();
  want_trim();
}

// Memory.

void Connection::want_trim() {
  if (trim_listed_) return;
  trim_listed_ = true;
  pump_->add_to_trim(*this);
}

bool Connection::trim() {
  if (std::exchange(busy_, false)) return false;
  trim_listed_ = false;
  if (leftover_.empty()) leftover_.release();
  if (output_.empty()) output_.tail().release();
  return true;
}

}  // namespace millrace::server
