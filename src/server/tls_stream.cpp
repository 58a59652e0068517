#include "server/tls_stream.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.hpp"

namespace millrace::server {

using EngineOutcome = net::TlsEngine::Outcome;

namespace {

// Goes through the bytes of several parts.
class Cursor {
 public:
  explicit Cursor(std::span<const iovec> parts) : parts_(parts) {}
  bool at_end() const noexcept { return part_ == parts_.size(); }
  void skip(std::size_t bytes) {
    while (bytes > 0) bytes -= take(bytes).size();
  }
  // What is contiguous, at most so much.
  ByteView take(std::size_t most) {
    MILLRACE_ASSERT(!at_end(), "bytes that were announced before are gone");
    const iovec& part = parts_[part_];
    const std::size_t count = std::min(most, part.iov_len - offset_);
    const ByteView taken(static_cast<const std::uint8_t*>(part.iov_base) + offset_, count);
    offset_ += count;
    step();
    return taken;
  }
  // A record's worth: in place where it is contiguous, else gathered in `scratch`.
  ByteView take_record(std::span<std::uint8_t> scratch) {
    const ByteView first = take(scratch.size());
    if (first.size() == scratch.size() || at_end()) return first;
    std::memcpy(scratch.data(), first.data(), first.size());
    std::size_t filled = first.size();
    while (filled < scratch.size() && !at_end()) {
      const ByteView next = take(scratch.size() - filled);
      std::memcpy(scratch.data() + filled, next.data(), next.size());
      filled += next.size();
    }
    return {scratch.data(), filled};
  }

 private:
  void step() {
    while (part_ < parts_.size() && offset_ == parts_[part_].iov_len) {
      ++part_;
      offset_ = 0;
    }
  }
  std::span<const iovec> parts_;
  std::size_t part_ = 0;
  std::size_t offset_ = 0;
};

}  // namespace

bool TlsStream::attach(runtime::ShardLoop& loop, Waiter& waiter) {
  loop_ = &loop;
  waiter_ = &waiter;
  return socket_.attach(loop, waiter);
}

net::TlsEngine::Source::Received TlsStream::receive(std::span<std::uint8_t> into) {
  const Moved moved = socket_.read(into);
  switch (moved.outcome) {
    case Outcome::moved:
      return {Source::Outcome::moved, moved.bytes};
    case Outcome::not_now:
      return {Source::Outcome::not_now, 0};
    case Outcome::ended:
      break;
  }
  return {Source::Outcome::ended, 0};
}

// False when the socket is broken. What it does not take now stays.
bool TlsStream::send_output() {
  Buffer& output = engine_.output();
  while (!output.empty()) {
    const iovec part{output.data(), output.size()};
    const Moved moved = socket_.write({&part, 1});
    if (moved.outcome == Outcome::ended) return false;
    if (moved.outcome == Outcome::not_now) return true;
    output.consume(moved.bytes);
  }
  if (output.capacity() > kIdleBufferBytes) output.release();
  return true;
}

net::TlsEngine::Outcome TlsStream::handshake() {
  const EngineOutcome outcome = engine_.handshake();
  // The peer's first words may have come with its last of the handshake.
  if (outcome == EngineOutcome::done) may_hold_ = true;
  // An alert that tells the peer why goes out as well.
  return send_output() ? outcome : EngineOutcome::ended;
}

runtime::ByteStream::Moved TlsStream::read(std::span<std::uint8_t> into) {
  const auto [outcome, bytes] = engine_.read(into);
  may_hold_ = bytes == into.size();
  // Answers to changes of keys.
  if (!send_output()) return {Outcome::ended};
  switch (outcome) {
    case EngineOutcome::done:
      return {Outcome::moved, bytes};
    case EngineOutcome::not_now:
      return {Outcome::not_now};
    case EngineOutcome::ended:
    case EngineOutcome::failed:
      break;
  }
  return {Outcome::ended};
}

runtime::ByteStream::Moved TlsStream::write(std::span<const iovec> parts) {
  std::array<std::uint8_t, net::TlsEngine::kRecordBytes> scratch;
  Cursor cursor(parts);
  cursor.skip(ahead_);
  std::size_t encrypted = ahead_;
  std::size_t sent = 0;
  while (true) {
    while (!cursor.at_end() && engine_.output().size() < kFlightBytes) {
      const ByteView record = cursor.take_record(scratch);
      if (!engine_.write(record)) return {Outcome::ended};
      encrypted += record.size();
    }
    if (!send_output()) return {Outcome::ended};
    if (!engine_.output().empty()) break;
    sent = encrypted;
    if (cursor.at_end()) break;
  }
  ahead_ = encrypted - sent;
  if (sent == 0) return {Outcome::not_now};
  return {Outcome::moved, sent};
}

void TlsStream::wait_readable() {
  if (may_hold_) return loop_->post([this] { waiter_->on_readable(); });
  socket_.wait_readable();
}

bool TlsStream::shut_down_writing() {
  engine_.finish();
  return send_output() && socket_.shut_down_writing();
}

}  // namespace millrace::server
