// What a client can be told. The defaults suit most programs; each bound says what happens when it is
// reached.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

struct TlsOptions {
  std::string ca_file;           // PEM; empty: the system's certificates
  std::string certificate_file;  // PEM, with its chain; to log in by certificate
  std::string key_file;          // PEM
  bool verify_peer = true;       // false accepts anybody: for tests alone
  std::string server_name;       // the name that the certificate must carry; empty: the host connected to
};

class ClientOptions {
 public:
  ClientOptions() : ClientOptions("amqp://guest:guest@localhost") {}
  // amqp://user:password@host:port/vhost, or amqps://… for TLS. User, password and vhost are percent-decoded;
  // what is left out is guest, guest, 5672 (5671) and "/". Or embedded://NAME, for a broker that runs in this
  // process (embedded.hpp). Several, with commas between them, are tried in turn.
  ClientOptions(const std::string& urls);
  ClientOptions(const char* urls) : ClientOptions(std::string(urls)) {}

  std::vector<std::string> servers;  // URLs; the first is tried first
  std::string name;                  // shown by the broker beside the connection

  TlsOptions tls;
  // PLAIN, or EXTERNAL to log in by the client certificate; empty: EXTERNAL when a certificate is given.
  std::string mechanism;

  std::chrono::milliseconds connect_timeout{10'000};  // for one attempt at one server, login included
  std::chrono::milliseconds operation_timeout{
      30'000};  // for an answer or a confirm, waiting for a connection included
  std::chrono::milliseconds close_timeout{5'000};  // how long close() and the destructor wait for confirms
  std::chrono::seconds heartbeat{
      30};  // what is offered; the lower of both sides' counts. 0: only if the broker asks

  // Between attempts to reconnect: doubled from the least to the most, each drawn between half of it and all.
  std::chrono::milliseconds backoff_min{100};
  std::chrono::milliseconds backoff_max{30'000};

  // Messages sent and not confirmed yet. Further ones wait in this process.
  std::uint32_t confirm_window = 8192;
  // How often a message that the broker refuses (basic.nack) is sent again, with growing pauses.
  unsigned publish_retries = 3;
  std::chrono::milliseconds retry_pause{100};
  // What may wait in this process, messages sent and not confirmed included. Above either:
  // ErrorKind::overloaded.
  std::size_t pending_messages_max = 1'000'000;
  std::size_t pending_bytes_max = 256 << 20;

  // Threads that call the callbacks, for a client that is given no executor.
  unsigned callback_threads = 1;
};

}  // namespace millrace
