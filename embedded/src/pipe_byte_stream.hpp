// The broker's end of a pipe, as the pump wants it.
#pragma once

#include "client/src/byte_pipe.hpp"
#include "runtime/os/byte_stream.hpp"

namespace millrace::in_process {

class PipeByteStream final : public runtime::ByteStream {
 public:
  explicit PipeByteStream(client::PipeEnd end) noexcept : end_(std::move(end)) {}
  ~PipeByteStream() override;

  bool attach(runtime::ShardLoop& loop, Waiter& waiter) override;
  void detach() override {}
  Moved read(std::span<std::uint8_t> into) override;
  Moved write(std::span<const iovec> parts) override;
  void wait_readable() override;
  void wait_writable() override;
  void cancel_waits() override;
  bool shut_down_writing() override;
  void close() override;

 private:
  void post_readable();
  void post_writable();

  client::PipeEnd end_;
  runtime::ShardLoop* loop_ = nullptr;
  Waiter* waiter_ = nullptr;
};

}  // namespace millrace::in_process
