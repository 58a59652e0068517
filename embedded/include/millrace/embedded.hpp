// A broker inside this process: no server to install, no socket, no port. The client speaks to it as to any
// other broker, so a program moves to a server by changing one address.
//
//   millrace::embedded broker;                                   // in memory; or on disk:
//   millrace::embedded broker{{.data_dir = "orders.data"}};
//   millrace::Client client(broker.address());                   // elsewhere "amqp://host"
//
// The broker has threads of its own. Its clients may live in any thread of this process, and nowhere else.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace {

enum class embedded_log_level : std::uint8_t { debug, info, warning, error };

struct embedded_options {
  // Where messages are kept: a data directory as the server has it, made when there is none, and readable by
  // the server later. Empty: in memory, gone with the broker.
  std::string data_dir;
  // That of the address: letters, digits, '-', '_' and '.'. Empty: one that no other broker here has.
  std::string name;
  // What a confirm of a persistent message means, as the server's option: "sync", "interval=MS" or "os".
  std::string sync = "sync";
  // Threads that serve connections and queues. A directory keeps the number that it was made with.
  unsigned shards = 1;
  // How much a broker in memory stores before it blocks publishers; at least memory_bytes_min a shard.
  static constexpr std::uint64_t memory_bytes_min = 256u << 20;
  std::uint64_t memory_bytes = 1u << 30;
  std::uint64_t message_bytes_max = 16u << 20;
  // How long the end waits for clients to say goodbye.
  std::chrono::milliseconds stop_grace{5000};
  // What a server would write to its log. Called by the broker's threads; must not block for long.
  std::function<void(embedded_log_level, std::string_view)> log;
};

class embedded {
 public:
  // On return clients are answered; what the directory held is there again. Throws a ClientError: locked when
  // another broker, of this process or another, has the directory; storage when it cannot be read or written;
  // not_allowed when a broker of this name runs already; invalid_argument.
  embedded() : embedded(embedded_options()) {}
  explicit embedded(embedded_options options);
  // stop()
  ~embedded();
  embedded(const embedded&) = delete;
  embedded& operator=(const embedded&) = delete;

  // embedded://NAME: the program itself, which may do everything. A user of the broker, with her permissions
  // only, is embedded://user:password@NAME/vhost.
  const std::string& address() const noexcept { return address_; }

  // Asks clients to close, within stop_grace, makes all durable, and ends the broker's threads. Clients that
  // still live see a lost connection, and find the next broker of this name. Not from a thread of the broker
  // (the log function).
  void stop() noexcept;

 private:
  class Running;

  std::string address_;
  std::unique_ptr<Running> running_;
};

}  // namespace millrace
