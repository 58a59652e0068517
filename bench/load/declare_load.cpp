#include <string>

#include "load/clock.hpp"
#include "load/connection.hpp"
#include "load/loads.hpp"
#include "load/process_meter.hpp"

namespace millrace::load {

namespace {

std::string name_of(const Options& options, std::uint32_t index) {
  return options.queue + "-declared-" + std::to_string(index);
}

void declare_one_at_a_time(Connection& connection, const Options& options) {
  for (std::uint32_t i = 0; i < options.declare; ++i) {
    const std::string name = name_of(options, i);
    amqp::queue::Declare declare;
    declare.queue = name;
    declare.durable = true;
    declare.passive = options.passive;
    connection.call<amqp::queue::DeclareOk>(declare);
  }
}

// All requests are written at once, and then all answers are read.
void declare_pipelined(Connection& connection, const Options& options) {
  for (std::uint32_t i = 0; i < options.declare; ++i) {
    const std::string name = name_of(options, i);
    amqp::queue::Declare declare;
    declare.queue = name;
    declare.durable = true;
    declare.passive = options.passive;
    amqp::encode(connection.out(), kChannel, declare);
  }
  for (std::uint32_t i = 0; i < options.declare; ++i)
    connection.await<amqp::queue::DeclareOk>([](const auto&) {});
}

void delete_all(Connection& connection, const Options& options) {
  for (std::uint32_t i = 0; i < options.declare; ++i) {
    const std::string name = name_of(options, i);
    amqp::queue::Delete remove;
    remove.queue = name;
    amqp::encode(connection.out(), kChannel, remove);
  }
  for (std::uint32_t i = 0; i < options.declare; ++i)
    connection.await<amqp::queue::DeleteOk>([](const auto&) {});
}

}  // namespace

Report run_declare(const Options& options) {
  const ProcessMeter meter(options.pid);
  Connection connection(options);
  const std::uint64_t resident = meter.resident_bytes();
  const std::uint64_t cpu = meter.cpu_ns();
  const std::uint64_t start = now_ns();
  if (options.pipelined)
    declare_pipelined(connection, options);
  else
    declare_one_at_a_time(connection, options);
  const double seconds = static_cast<double>(now_ns() - start) / kSecond;

  const double count = options.declare;
  Report report;
  report.add("queues_per_second", count / seconds, "/s");
  report.add("seconds", seconds, "s");
  if (meter.on()) {
    report.add("broker_cpu_us_per_queue", static_cast<double>(meter.cpu_ns() - cpu) / 1000 / count, "us");
    const double grown = static_cast<double>(meter.resident_bytes()) - static_cast<double>(resident);
    report.add("broker_bytes_per_queue", grown / count, "bytes");
  }
  if (!options.keep) delete_all(connection, options);
  connection.close();
  return report;
}

}  // namespace millrace::load
