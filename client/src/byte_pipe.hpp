// What joins a client to a broker in the same process: a stream of bytes through memory.
//
// A pipe is one direction of it, from one thread that writes to one that reads. Bounded: what does not fit
// into kCapacityBytes is not taken, and the writer waits for room, as with a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "base/buffer.hpp"
#include "base/task.hpp"

namespace millrace::client {

class BytePipe {
 public:
  static constexpr std::size_t kCapacityBytes = 256 * 1024;
  // A writer that waits is woken when this much has become free, not for each few bytes.
  static constexpr std::size_t kRoomToWakeBytes = kCapacityBytes / 2;

  // -- The writer's
  // How many bytes were taken, from the front, 0 when it is full; nothing when nobody will read them.
  std::optional<std::size_t> write(std::span<const ByteView> parts);
  // Reading ends behind what was written.
  void close_writer();
  // `wake` is called once, when write() has something else to say than 0: at once, or by the thread that
  // reads. It is called with the pipe locked, so all it may do is post. False when there was no wake to
  // forget: it was called; after true it is never called.
  void on_writable(Task wake);
  bool forget_writable();

  // -- The reader's, likewise
  // How many bytes were read, 0 when there are none for now; nothing at the end.
  std::optional<std::size_t> read(std::span<std::uint8_t> into);
  void close_reader();
  void on_readable(Task wake);
  bool forget_readable();

 private:
  void wake_reader();
  void wake_writer();

  std::mutex mutex_;
  Buffer bytes_;
  bool writer_closed_ = false;
  bool reader_closed_ = false;
  Task readable_;
  Task writable_;
};

// One end of a two-way stream. Its destruction closes it; so does close(), after which it may still be asked.
class PipeEnd {
 public:
  static std::pair<PipeEnd, PipeEnd> make_pair();

  PipeEnd(PipeEnd&&) noexcept = default;
  PipeEnd& operator=(PipeEnd&&) = delete;
  ~PipeEnd() { close(); }

  BytePipe& in() noexcept { return *in_; }
  BytePipe& out() noexcept { return *out_; }
  void close();

 private:
  PipeEnd(std::shared_ptr<BytePipe> in, std::shared_ptr<BytePipe> out) noexcept
      : in_(std::move(in)), out_(std::move(out)) {}

  std::shared_ptr<BytePipe> in_;  // both null once moved from
  std::shared_ptr<BytePipe> out_;
};

}  // namespace millrace::client
