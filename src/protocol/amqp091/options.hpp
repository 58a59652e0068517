// What an operator may set about AMQP 0-9-1 sessions. One for all of a listener's sessions, which only read
// it; it outlives them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "broker/connection.hpp"

namespace millrace::amqp091 {

struct SessionOptions {
  // Offered in connection.tune; a client may lower them. 0 offers no limit (heartbeat: none asked for).
  std::uint32_t frame_max = 131072;
  std::uint16_t channel_max = 2047;
  std::uint16_t heartbeat_s = 60;
  // RabbitMQ since 4.1 refuses a frame_max below 8192, which locks out clients in use that ask for 4096.
  bool strict_frame_max = false;

  // server-properties. Clients choose their behaviour by product and version, so these say whose behaviour
  // this is.
  std::string product = "RabbitMQ";
  std::string version = "4.2.0";
  std::string platform = "Millrace";
  std::string copyright = "The Millrace authors";
  std::string information = "Millrace, speaking AMQP 0-9-1 as RabbitMQ does";
  std::string cluster_name = "millrace";

  bool allow_anonymous = false;
  bool allow_scram = true;  // its keys are those of the broker's own users
  broker::Credentials anonymous_login{"guest", "guest"};
  // RABBIT-CR-DEMO: a two-step login that only tests of connection.secure want.
  bool allow_challenge_response = false;

  std::uint32_t handshake_timeout_ms = 10'000;
  // Failed logins of clients that cannot be told why are closed after this, so that guessing is slow.
  std::uint32_t silent_failure_delay_ms = 3'000;
  // How long a peer may take to answer connection.close.
  std::uint32_t close_timeout_ms = 10'000;

  // Fills the span with unguessable bytes (server-named consumer tags).
  std::function<void(std::span<std::uint8_t>)> random;
};

}  // namespace millrace::amqp091
