#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "baseline/baselines.hpp"
#include "load/failure.hpp"

int main(int argc, char** argv) {
  using namespace millrace;
  CLI::App app{"What this machine and millrace_load can do without a broker."};
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  bool json = false;
  app.add_flag("--json", json, "Print the results as one JSON object");

  std::uint16_t listen_port = 0;
  CLI::App* null_broker = app.add_subcommand(
      "null-broker", "Serve millrace_load without keeping anything, which is as fast as a broker can look");
  null_broker->add_option("--port", listen_port, "Port on 127.0.0.1; 0: a free one");
  auto fault = baseline::Fault::none;
  null_broker
      ->add_option("--fault", fault, "Do wrong at one of many messages, which millrace_load must notice")
      ->transform(CLI::CheckedTransformer(std::map<std::string, baseline::Fault>{
                                              {"none", baseline::Fault::none},
                                              {"lose", baseline::Fault::lose},
                                              {"repeat", baseline::Fault::repeat},
                                              {"reorder", baseline::Fault::reorder},
                                              {"change", baseline::Fault::change},
                                              {"confirm-twice", baseline::Fault::confirm_twice}})
                      .description("none, lose, repeat, reorder, change or confirm-twice"))
      ->default_str("none");

  std::uint32_t bytes = 1024;
  double seconds = 3;
  CLI::App* ping_pong = app.add_subcommand("ping-pong", "Round trips over loopback TCP between two threads");
  ping_pong->add_option("--size", bytes, "Bytes each way");
  ping_pong->add_option("--seconds", seconds, "Measured time");

  std::string folder = ".";
  CLI::App* fdatasync = app.add_subcommand("fdatasync", "Writes and fdatasyncs into a file written before");
  fdatasync->add_option("--folder", folder, "Where the file is put");
  fdatasync->add_option("--size", bytes, "Bytes of a write");
  fdatasync->add_option("--seconds", seconds, "Measured time");

  baseline::MqttOptions mqtt;
  CLI::App* mqtt_latency =
      app.add_subcommand("mqtt-latency", "Latency of an MQTT broker at a fixed rate, QoS 0");
  mqtt_latency->add_option("--port", mqtt.port, "Port on 127.0.0.1");
  mqtt_latency->add_option("--rate", mqtt.rate, "Messages a second")->check(CLI::PositiveNumber);
  mqtt_latency->add_option("--size", mqtt.size, "Bytes of a message");
  mqtt_latency->add_option("--seconds", mqtt.seconds, "Measured time");
  mqtt_latency->add_option("--warm-up", mqtt.warm_up, "Seconds before measuring");

  CLI11_PARSE(app, argc, argv);
  try {
    load::Report report;
    if (null_broker->parsed())
      baseline::run_null_broker(listen_port, fault);
    else if (ping_pong->parsed())
      report = baseline::run_ping_pong(bytes, seconds);
    else if (fdatasync->parsed())
      report = baseline::run_fdatasync(folder, bytes, seconds);
    else
      report = baseline::run_mqtt_latency(mqtt);
    if (!null_broker->parsed()) fmt::print("{}", json ? report.json() : report.text());
    return 0;
  } catch (const load::Failure& failure) {
    fmt::print(stderr, "millrace_baseline: {}\n", failure.what());
    return 1;
  }
}
