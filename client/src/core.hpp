// The heart of a client: keeps one connection to one of the servers, what goes over it, and what has to be
// done again on the next one. The handles of the public headers hold it and speak to it through submit().
//
// Everything but what is marked "any thread" runs on the client's I/O thread. Handlers of the program never
// do: they may block as long as they like, and heartbeats go on.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "base/task.hpp"
#include "client/src/call_channel.hpp"
#include "client/src/consumer_channel.hpp"
#include "client/src/inbox.hpp"
#include "client/src/link.hpp"
#include "client/src/publisher.hpp"
#include "client/src/requester.hpp"
#include "client/src/topology.hpp"
#include "millrace/completion.hpp"
#include "millrace/events.hpp"
#include "millrace/listeners.hpp"
#include "millrace/options.hpp"

namespace millrace::client {

struct ServerInfo {
  std::string address;  // host:port
  std::string product;
  std::string version;
  bool millrace = false;
};

// Somebody who waits for a connection.
struct ConnectWaiter {
  std::uint64_t id = 0;
  Clock::time_point deadline;
  detail::Completion<> done;
};

class Core final : public std::enable_shared_from_this<Core>,
                   public Link::Owner,
                   public detail::FinishedQueue {
 public:
  Core(ClientOptions options, Executor callbacks);
  ~Core();

  // -- any thread
  // ----------------------------------------------------------------------------------------------------
  void begin();  // once: starts to connect
  // Once the I/O thread is gone: what is submitted from now on fails at once, on the thread that submits it.
  void end();
  void submit(Task task);
  void submit(std::unique_ptr<Publish> publish);
  void submit(Settlement settlement) noexcept;
  const ClientOptions& options() const noexcept { return options_; }
  const Executor& callbacks() const noexcept { return callbacks_; }
  boost::asio::io_context& context() noexcept { return context_; }
  Listeners<Event>& listeners() noexcept { return listeners_; }
  std::uint64_t next_id() noexcept { return ++last_id_; }
  // A name that no other client makes up: PREFIX.random.count.
  std::string make_name(std::string_view prefix);
  // Takes room for a message that waits to be confirmed; false: there is none.
  bool reserve_pending(std::size_t bytes) noexcept;
  void release_pending(std::size_t bytes) noexcept;
  ServerInfo server_info() const;
  // The deadline of an operation; 0: the default of the options.
  Clock::time_point deadline(std::chrono::milliseconds timeout) const;

  // -- operations, I/O thread
  // ----------------------------------------------------------------------------------------
  void connect(ConnectWaiter waiter);
  void close(detail::Completion<> done);
  // On a channel of its own.
  void publish_aside(std::unique_ptr<Publish> publish);
  void call(Call call);
  void get(Call call);
  void request(Request request);
  void consume(std::string queue, ConsumeOptions options, Mailbox::Handler handler, Executor executor,
               detail::Completion<Consumer> done);
  void stop_consumer(std::uint16_t channel, const Mailbox* mailbox);
  void cancel_call(std::uint64_t id);
  void cancel_connect(std::uint64_t id);
  void cancel_publish(std::uint64_t id) { publisher_.cancel(id); }
  void cancel_request(std::uint64_t id) { requester_.cancel(id); }
  // Ends everything at once; nothing is sent any more.
  void shut_down(const std::exception_ptr& why);

  // -- for the channels
  // ----------------------------------------------------------------------------------------------
  Link& link() noexcept { return *link_; }
  bool has_link() const noexcept { return link_ != nullptr; }
  // Logged in, and what was declared before is declared again.
  bool is_ready() const noexcept { return ready_; }
  // Why nothing is done any more, null while it is.
  const std::exception_ptr& over() const noexcept { return over_; }
  Topology& topology() noexcept { return topology_; }
  CallChannel& gets() noexcept { return gets_; }
  void add(std::unique_ptr<detail::Finished> finished) override { finished_.push_back(std::move(finished)); }
  void remove_channel(std::uint16_t number);
  Delivery make_delivery(const Channel& channel, std::string_view exchange, std::string_view routing_key,
                         bool redelivered, std::uint64_t tag, std::uint16_t together, Content content);
  // A consumer's channel has deliveries to hand over once this read is through.
  void hands_over(std::uint16_t channel) { handing_over_.push_back(channel); }
  std::chrono::milliseconds jittered(std::chrono::milliseconds pause);

 private:
  // Link::Owner
  void on_frame(const amqp::Frame& frame) override;
  void on_batch_read() override;
  void on_written() override;
  void on_link_lost(std::exception_ptr why) override;

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> pause(std::chrono::milliseconds time);
  void established();
  void recover();
  void ready();
  void give_up(const std::exception_ptr& why);
  void on_connection_method(const amqp::Frame& frame);
  void on_connection_close(const amqp::connection::Close& close);
  void lose_link(const std::exception_ptr& why);
  Channel* channel(std::uint16_t number);
  std::vector<std::uint16_t> consumer_numbers() const;
  std::uint16_t free_channel() const;

  void start(Publisher& publisher, std::unique_ptr<Publish> publish);
  void send(Publisher& publisher);
  void drain();
  void settle_all(const std::vector<Settlement>& settlements);
  void wake();  // any thread
  void flush_finished();
  void end_connects(const std::function<bool(const ConnectWaiter&)>& which, const std::exception_ptr& why);
  void watch_deadlines();
  void expire();
  void finish_close();
  bool idle() const;
  std::string connection_state() const;
  void emit(EventKind kind, std::string text);

  const ClientOptions options_;
  std::vector<ServerUrl> servers_;
  const Executor callbacks_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  boost::asio::steady_timer reconnect_timer_;
  boost::asio::steady_timer deadline_timer_;
  boost::asio::steady_timer close_timer_;
  bool watching_deadlines_ = false;
  Listeners<Event> listeners_;
  Prng random_;
  const std::string name_prefix_;
  std::atomic<std::uint64_t> last_id_{0};
  std::atomic<std::size_t> pending_messages_{0};
  std::atomic<std::size_t> pending_bytes_{0};

  std::shared_ptr<Link> link_;        // logged in
  std::shared_ptr<Link> connecting_;  // not yet
  std::size_t server_ = 0;            // of servers_, the one in use or tried next
  std::exception_ptr last_error_;
  std::exception_ptr over_;
  bool ever_connected_ = false;
  bool ready_ = false;
  std::size_t recovering_ = 0;  // answers outstanding before ready_
  std::uint64_t connection_count_ = 0;

  Topology topology_;
  CallChannel calls_{*this, 1};
  CallChannel gets_{*this, 2};
  Publisher publisher_{*this, 3};
  Requester requester_{*this, 4};
  static constexpr std::uint16_t kFirstConsumer = 5;
  Publisher aside_{*this, 0};  // gets a number of those when it is first used
  const std::array<Publisher*, 2> publishers_{&publisher_, &aside_};
  std::map<std::uint16_t, std::unique_ptr<ConsumerChannel>> consumers_;
  std::set<std::uint16_t> closing_;  // channels until their close-ok
  std::vector<ConnectWaiter> connect_waiters_;
  std::vector<detail::Completion<>> close_waiters_;
  bool closing_down_ = false;
  bool close_sent_ = false;

  std::vector<std::unique_ptr<detail::Finished>> finished_;

  Inbox inbox_;  // what other threads ask for
  mutable std::mutex server_info_mutex_;
  ServerInfo server_info_;
  std::atomic<bool> ended_{false};
  std::recursive_mutex ended_mutex_;  // stands in for the I/O thread

  // Kept for their memory.
  std::vector<Channel*> settled_channels_;   // of settle_all()
  std::vector<std::uint16_t> handing_over_;  // of the read that is under way
};

}  // namespace millrace::client
