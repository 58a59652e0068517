#include "load/options.hpp"

#include <CLI/CLI.hpp>
#include <map>

namespace millrace::load {

namespace {

constexpr const char* kExamples = R"(
Examples:
  millrace_load --seconds 5 --pid $(pidof millrace)          16 B transient, automatic acknowledgement
  millrace_load --ack manual --prefetch 1000                 the same, each message acknowledged
  millrace_load --size 1024 --durable --confirm 1000 --ack manual --prefetch 1000
  millrace_load --size 1024 --durable --confirm 1 --ack manual --prefetch 10 --seconds 5
  millrace_load --size 1024 --fanout 10 --consumers 10       every message to ten queues
  millrace_load --rate 5000 --size 1024                      latency at a fixed rate
  millrace_load --size 1024 --durable --confirm 1000 --ack manual --prefetch 1000 --backlog 1000000
  millrace_load --size 1024 --durable --confirm 1000 --ack manual --prefetch 1000 --backlog 1000000 --shortest-first
  millrace_load --size 1024 --durable --confirm 1000 --messages 1000000 --publish-only
  millrace_load --size 1024 --durable --ack manual --prefetch 1000 --messages 1000000 --drain-only
  millrace_load --idle-connections 10000 --pid $(pidof millrace)
  millrace_load --declare 10000 --pipelined --pid $(pidof millrace)

The queues named by --queue are deleted and declared anew at the start (except by --drain-only) and deleted at the end
(except with --keep or --publish-only). Exit status: 0, or 1 when a message was lost, doubled, changed or out of order,
or when the broker refused something; 2 for
a bad option.)";

}  // namespace

bool parse_options(int argc, char** argv, Options& options, int& exit_code) {
  CLI::App app{
      "Loads an AMQP 0-9-1 broker from one thread, checks every message, and measures what the broker "
      "spends."};
  app.footer(kExamples);
  app.set_help_flag("--help", "Print this and end");
  app.option_defaults()->always_capture_default();

  app.add_option("--host", options.host, "IPv4 address of the broker")->group("Where");
  app.add_option("--port", options.port, "Port of the broker")->group("Where");
  app.add_option("--user", options.user, "User name")->group("Where");
  app.add_option("--password", options.password, "Password")->group("Where");
  app.add_option("--vhost", options.vhost, "Virtual host")->group("Where");
  app.add_option("--queue", options.queue, "Queue name; with several queues -0, -1 ... is added")
      ->group("Where");
  app.add_option("--pid", options.pid, "Process of the broker, to read its CPU time and memory")
      ->group("Where");

  app.add_option("--producers", options.producers,
                 "Publishing connections; producer i uses queue i modulo --queues")
      ->group("Load");
  app.add_option("--consumers", options.consumers, "Consuming connections, spread over the queues likewise")
      ->group("Load");
  app.add_option("--queues", options.queues, "Number of queues")->check(CLI::PositiveNumber)->group("Load");
  app.add_option("--fanout", options.fanout, "Publish to a fanout exchange with that many queues")
      ->group("Load");
  app.add_option("--queue-type", options.queue_type, "x-queue-type: classic, quorum")->group("Load");
  app.add_option("--size", options.size, "Bytes of a message body")
      ->check(CLI::Range(16, 16 * 1024 * 1024))
      ->group("Load");
  app.add_flag("--durable", options.durable, "Durable queues and persistent messages")->group("Load");
  app.add_option("--confirm", options.confirm,
                 "Publisher confirms, with that many outstanding; 1: one at a time; 0: off")
      ->check(CLI::Range(0, 1'000'000))
      ->group("Load");
  app.add_option("--ack", options.ack, "Acknowledgement")
      ->transform(CLI::CheckedTransformer(std::map<std::string, AckMode>{{"auto", AckMode::automatic},
                                                                         {"manual", AckMode::manual}})
                      .description("auto or manual"))
      ->default_str("auto")
      ->group("Load");
  app.add_option("--prefetch", options.prefetch, "Unacknowledged messages of a consumer; 0: no limit")
      ->group("Load");
  app.add_option("--ack-every", options.ack_every, "Acknowledge that many with one frame; 1: each by itself")
      ->check(CLI::PositiveNumber)
      ->group("Load");
  app.add_option("--in-flight", options.in_flight,
                 "Pause while that many are published but not delivered; 0: never")
      ->group("Load");
  app.add_option("--rate", options.rate, "Messages a second; latency counts from when each was due")
      ->group("Load");

  auto* messages = app.add_option("--messages", options.messages, "Number of messages, instead of --seconds");
  messages->group("How long");
  app.add_option("--seconds", options.seconds, "Measured time")->excludes(messages)->group("How long");
  auto* warm_up = app.add_option("--warm-up", options.warm_up, "Seconds before measuring; 0 with --messages");
  warm_up->group("How long");
  app.add_option("--stall", options.stall_seconds, "Fail after that many seconds without progress")
      ->group("How long");

  app.add_flag("--busy-poll", options.busy_poll,
               "Never sleep while waiting: the load's own wake-ups take no time")
      ->group("Load");

  auto* backlog =
      app.add_option("--backlog", options.backlog, "Publish that many without a consumer, then drain them");
  backlog->group("Other loads");
  app.add_flag("--shortest-first", options.shortest_first,
               "x-scheduling: sjf, sizes in no order: the backlog must be drained by size")
      ->needs(backlog)
      ->group("Other loads");
  auto* publish = app.add_flag("--publish-only", options.publish_only, "Build a backlog and keep it");
  publish->excludes(backlog)->group("Other loads");
  app.add_flag("--drain-only", options.drain_only, "Consume a backlog: --messages, or what the queues hold")
      ->excludes(publish)
      ->excludes(backlog)
      ->group("Other loads");
  app.add_option("--idle-connections,--connections", options.idle_connections,
                 "Open that many connections with a channel each")
      ->group("Other loads");
  auto* declare =
      app.add_option("--declare", options.declare, "Declare that many durable queues, one at a time");
  declare->group("Other loads");
  app.add_flag("--pipelined", options.pipelined, "Declare without waiting for each answer")
      ->needs(declare)
      ->group("Other loads");
  app.add_flag("--passive", options.passive, "Only look whether they are there")
      ->needs(declare)
      ->group("Other loads");
  app.add_flag("--keep", options.keep, "Leave the queues behind")->group("Other loads");
  app.add_option("--json", options.json,
                 "Also write the results to this file; - writes only them to standard output")
      ->group("Output");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
    return false;
  }
  if (options.messages != 0 && warm_up->count() == 0) options.warm_up = 0;
  if (options.publish_only) options.consumers = 0;
  if (options.drain_only) options.producers = 0;
  if (options.fanout != 0 && options.consumers < options.fanout && options.consumers != 0)
    options.consumers = options.fanout;
  // An open loop is one that nothing slows down, and without consumers nothing is ever delivered.
  if (options.consumers == 0 || options.rate > 0) options.in_flight = 0;
  return true;
}

}  // namespace millrace::load
