// A connection whose user's rights are asked for outside, one by one: each call waits until what it needs is
// known, then goes on as any other. Calls keep their order. It stays on its shard.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/access/asked_rights.hpp"
#include "broker/node/connection_impl.hpp"

namespace millrace::broker {

class AskingConnection final : public Connection {
 public:
  // For how long a publisher's last answer is not even looked for.
  static constexpr std::int64_t kLookAgainNs = 1'000'000'000;

  // `rights` are those of inner's subject.
  AskingConnection(Shard& shard, std::unique_ptr<ConnectionImpl> inner, std::shared_ptr<KnownRights> rights);
  ~AskingConnection() override;

  ConnectionId id() const noexcept override { return inner_->id(); }
  const Subject& subject() const noexcept override { return inner_->subject(); }
  const std::string& vhost() const noexcept override { return inner_->vhost(); }

  void declare_exchange(const ExchangeDeclare& declare, Done<void> done) override;
  void check_exchange(std::string_view name, Done<void> done) override;
  void delete_exchange(std::string_view name, bool if_unused, Done<void> done) override;
  void bind(std::string_view source, std::string_view destination, bool to_exchange,
            std::string_view routing_key, Arguments arguments, Done<void> done) override;
  void unbind(std::string_view source, std::string_view destination, bool to_exchange,
              std::string_view routing_key, Arguments arguments, Done<void> done) override;
  void declare_queue(const QueueDeclare& declare, Done<QueueStatus> done) override;
  void check_queue(std::string_view name, Done<QueueStatus> done) override;
  void purge_queue(std::string_view name, Done<std::uint64_t> done) override;
  void delete_queue(std::string_view name, bool if_unused, bool if_empty, Done<std::uint64_t> done) override;
  bool prepare_publish(std::string_view exchange, std::string_view routing_key, Task ready) override;
  result<PublishOutcome> publish(const Publish& publish) override { return inner_->publish(publish); }
  void consume(const Consume& consume, Done<QueueAddress> done) override;
  void cancel(ConsumerId consumer, Done<void> done) override;
  void grant(ConsumerId consumer, std::uint32_t credit) override { inner_->grant(consumer, credit); }
  void get(std::string_view queue, bool no_ack, Done<std::optional<GotMessage>> done) override;
  void settle(const QueueAddress& queue, ConsumerId consumer, std::span<const std::uint64_t> seqs,
              Settlement how) override {
    inner_->settle(queue, consumer, seqs, how);
  }
  std::string_view reply_address() const noexcept override { return inner_->reply_address(); }
  void update_secret(std::string_view secret, Done<void> done) override;
  bool publishers_blocked() const noexcept override { return inner_->publishers_blocked(); }
  result<void> take_channel() override { return inner_->take_channel(); }
  void give_back_channel() noexcept override { inner_->give_back_channel(); }
  bool leave_for(ShardId, Task) override { return false; }
  void arrive() override {}
  void close(Done<void> done) override;

 private:
  using Questions = std::vector<RightQuestion>;
  struct Waiting {
    Questions questions;
    Task then;
    std::size_t missing = 0;
    bool asked = false;
  };
  RightQuestion resource(ResourceKind kind, std::string_view name, Permission permission) const;
  RightQuestion topic(std::string_view exchange, std::string_view routing_key, Permission permission) const;
  Questions binding_rights(std::string_view source, std::string_view destination, bool to_exchange,
                           std::string_view routing_key) const;
  bool is_topic(std::string_view exchange) const;
  std::int64_t now_ns() const;
  // Runs `then` when the rights are known, after all that was asked for before.
  void when_known(Questions questions, Task then);
  void go_on();
  // Asks for what is not fresh: how much that is. `known` is called for each, on this shard, while the
  // connection lives.
  std::size_t ask(const Questions& questions, const std::function<void()>& known);

  Shard& shard_;
  std::unique_ptr<ConnectionImpl> inner_;
  std::shared_ptr<KnownRights> rights_;
  std::deque<Waiting> waiting_;
  // What the last publish found fresh.
  std::string published_exchange_;
  std::string published_key_;
  std::int64_t look_again_ns_ = 0;
  // Answers come later: they find out by it that the connection has gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool going_on_ = false;
};

}  // namespace millrace::broker
