// What the command line asks for.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::load {

enum class AckMode : std::uint8_t { automatic, manual };

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 5672;
  std::string user = "guest";
  std::string password = "guest";
  std::string vhost = "/";

  std::string queue = "millrace-load";
  std::string queue_type;
  std::uint32_t queues = 1;
  std::uint32_t fanout = 0;  // queues behind a fanout exchange; 0: the default exchange
  bool durable = false;
  bool keep = false;

  std::uint32_t producers = 1;
  std::uint32_t consumers = 1;
  std::uint32_t size = 16;
  std::uint32_t confirm = 0;  // unconfirmed publishes a producer may have; 0: no confirms
  AckMode ack = AckMode::automatic;
  std::uint16_t prefetch = 0;
  std::uint32_t ack_every = 1;
  std::uint64_t in_flight = 20'000;  // published and not yet delivered, all producers together; 0: no bound
  double rate = 0;                   // messages a second, all producers together; 0: as fast as it goes

  std::uint64_t messages = 0;  // 0: run for `seconds`
  double seconds = 10;
  double warm_up = 1;
  double stall_seconds = 30;

  bool busy_poll = false;

  std::uint64_t backlog = 0;
  bool shortest_first = false;
  bool publish_only = false;
  bool drain_only = false;
  std::uint32_t idle_connections = 0;
  std::uint32_t declare = 0;
  bool pipelined = false;
  bool passive = false;

  std::int32_t pid = 0;
  std::string json;

  std::uint32_t queue_count() const { return fanout != 0 ? fanout : queues; }
  std::string queue_name(std::uint32_t index) const {
    return queue_count() == 1 ? queue : queue + "-" + std::to_string(index);
  }
};

// Answers false when the program should end now with `exit_code` (--help, or a mistake that has been
// printed).
bool parse_options(int argc, char** argv, Options& options, int& exit_code);

}  // namespace millrace::load
