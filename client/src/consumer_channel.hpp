// The channel of one consumer: its prefetch, its deliveries and their settlements. On a new connection, or
// after a refusal, it consumes again by itself.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "base/task.hpp"
#include "client/src/call_channel.hpp"
#include "client/src/channel.hpp"
#include "client/src/mailbox.hpp"
#include "millrace/consumer.hpp"

namespace millrace::client {

class ConsumerChannel final : public Channel {
 public:
  using Started = UniqueFunction<void(std::exception_ptr)>;  // called once: it consumes, or why it cannot

  ConsumerChannel(Core& core, std::uint16_t number, std::string queue, ConsumeOptions options,
                  std::shared_ptr<Mailbox> mailbox, Clock::time_point deadline, Started started);

  void settle(const Settlement& settlement) override;
  void settled() override;
  // Gives the program what on_content has gathered.
  void hand_over();
  // No more deliveries; the channel goes when the last one is settled. True: it can be removed now.
  bool stop();
  // Ends it for the program.
  void end(const std::exception_ptr& why);
  void expire(Clock::time_point now, const std::string& connection_state);
  bool is_started() const noexcept { return !started_; }
  const std::shared_ptr<Mailbox>& mailbox() const noexcept { return mailbox_; }

 private:
  void on_open() override;
  void on_method(std::uint32_t id, const amqp::Frame& frame) override;
  void on_content(std::uint32_t id, Content content) override;
  void on_closed(const std::exception_ptr& why, bool link_lost) override;
  std::uint16_t prefetch() const;
  void forget_unsettled();
  void send_acks();

  const std::string queue_;
  const ConsumeOptions options_;
  const std::string tag_;
  const std::shared_ptr<Mailbox> mailbox_;
  const Clock::time_point deadline_;  // to start
  Started started_;
  std::uint16_t together_ = 1;     // see Settlement
  std::vector<Delivery> arrived_;  // of this read, for the mailbox
  std::deque<std::uint64_t>
      unsettled_;                     // tags of this epoch's deliveries, ascending; as many as the prefetch
  std::vector<std::uint64_t> acked_;  // of those, still to be told to the broker
  bool stopping_ = false;
};

}  // namespace millrace::client
