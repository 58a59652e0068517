// What the machine and the load generator can do without a broker, to hold a broker's figures against.
#pragma once

#include <cstdint>
#include <string>

#include "load/report.hpp"

namespace millrace::baseline {

// Serves AMQP 0-9-1 just so far that millrace_load runs: a publish becomes a delivery to the consumer of the
// queue that its routing key names, and nothing is kept. Prints its ready line and runs until SIGTERM. With a
// fault it does wrong at one message of many, to show that the generator notices.
enum class Fault : std::uint8_t { none, lose, repeat, reorder, change, confirm_twice };
void run_null_broker(std::uint16_t port, Fault fault);

// Round trips over a loopback connection to another thread.
load::Report run_ping_pong(std::uint32_t bytes, double seconds);

// Writes and fdatasyncs of one block at a time into a file that was written before, as a recycled log file
// is.
load::Report run_fdatasync(const std::string& folder, std::uint32_t bytes, double seconds);

struct MqttOptions {
  std::uint16_t port = 1883;
  double rate = 5000;
  std::uint32_t size = 1024;
  double seconds = 10;
  double warm_up = 1;
};
// Latency of an MQTT 3.1.1 broker at QoS 0 and a fixed rate, measured as millrace_load measures that of AMQP.
load::Report run_mqtt_latency(const MqttOptions& options);

}  // namespace millrace::baseline
