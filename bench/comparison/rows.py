"""The loads of the comparison and what Millrace must reach at each."""

import dataclasses
import typing

DURABLE = ("--size", 1024, "--durable", "--ack", "manual", "--prefetch", 1000)
CPU = "broker_cpu_us_per_message"
RATE = "messages_per_second"


@dataclasses.dataclass
class Line:
    """A line of the table: one number of a row's results."""

    label: str
    metric: str
    unit: str  # us, /s, bytes, s, x
    at_most: float | None = None
    at_least: float | None = None
    # The bound is a number of the same run: (description, key in the results of all brokers by name) -> value.
    at_most_measured: typing.Callable | None = None

    @property
    def more_is_better(self):
        return self.unit == "/s"


@dataclasses.dataclass
class Row:
    """`measure(run, broker)` gives a row's numbers, as a dictionary, for a broker that may have served other rows, or
    for a fresh one that it may kill and start again (`fresh`)."""

    key: str
    measure: typing.Callable
    lines: list
    brokers: tuple = ("RabbitMQ", "Millrace")
    fresh: bool = False
    once: bool = False  # whatever --rounds says: it takes minutes


def steady(*arguments):
    return lambda run, broker: run.programs.load(broker, "--seconds", run.seconds, *arguments)


def machine_p50_us(run):
    ping_pong = run.programs.baseline("ping-pong", "--size", 1024, "--seconds", 1)
    fdatasync = run.programs.baseline("fdatasync", "--size", 4096, "--seconds", 1, "--folder", run.folder)
    return ping_pong["ping_pong_p50_us"] + 1.2 * fdatasync["fdatasync_p50_us"]


def one_confirm_at_a_time(run, broker):
    """Between two looks at the machine: its disk may be twice as fast a few seconds later."""
    before = machine_p50_us(run)
    result = run.programs.load(
        broker, "--seconds", run.seconds, "--size", 1024, "--durable", "--confirm", 1, "--ack", "manual",
        "--prefetch", 10,
    )  # fmt: skip
    result["machine_p50_us"] = (before + machine_p50_us(run)) / 2
    return result


def backlog(run, broker):
    result = run.programs.load(broker, *DURABLE, "--confirm", 1000, "--backlog", run.backlog)
    result["peak_bytes"] = max(result["publish_broker_peak_bytes"], result["drain_broker_peak_bytes"])
    return result


def restart_with_backlog(run, broker):
    run.programs.load(broker, *DURABLE, "--confirm", 1000, "--publish-only", "--messages", run.backlog)
    broker.kill()
    seconds = broker.start()
    # Every confirmed message must still be there, and in order.
    run.programs.load(broker, *DURABLE, "--drain-only", "--messages", run.backlog)
    return {"restart_seconds": seconds}


def idle_connections(run, broker):
    return run.programs.load(broker, "--idle-connections", run.connections, "--seconds", run.seconds)


def declare(run, broker):
    single = run.programs.load(broker, "--declare", run.queues, "--keep")
    pipelined = run.programs.load(broker, "--declare", run.queues, "--pipelined", "--queue", "pipelined")
    return {
        "queues_per_second": single["queues_per_second"],
        "bytes_per_queue": single["broker_bytes_per_queue"],
        "pipelined_per_second": pipelined["queues_per_second"],
    }


def restart_with_queues(run, broker):
    """Apart from the row before: RabbitMQ 3.10 answers a declaration before it is on disk, and fails here."""
    run.programs.load(broker, "--declare", run.queues, "--keep")
    broker.kill()
    seconds = broker.start()
    run.programs.load(broker, "--declare", run.queues, "--pipelined", "--passive", "--keep")  # all must have survived
    return {"restart_seconds": seconds}


def latency(run, broker):
    if broker.name == "mosquitto":
        return run.programs.baseline("mqtt-latency", "--port", broker.port, "--seconds", run.seconds)
    return run.programs.load(broker, "--rate", 5000, "--size", 1024, "--seconds", run.seconds)


def start(run, broker):
    return {"start_seconds": broker.first_start_seconds}


def shards(run, broker):
    """One producer and one consumer for each of eight queues, so that both shards hold some of each kind."""
    load = ("--queues", 8, "--producers", 8, "--consumers", 8, "--seconds", run.seconds)
    result = {}
    for size in (16, 1024):
        cpu = {}
        for count in (1, 2):
            with run.millrace("--shards", str(count)) as other:
                cpu[count] = run.programs.load(other, *load, "--size", size)[CPU]
        result[f"ratio_{size}"] = cpu[2] / cpu[1]
    return result


def of_mosquitto(metric):
    return lambda results: ("mosquitto", results.get("mosquitto", {}).get(metric))


def of_the_machine(results):
    return ("ping-pong + 1.2 fdatasync", results.get("Millrace", {}).get("machine_p50_us"))


ROWS = [
    Row("16B", steady("--size", 16), [
        Line("16 B, transient, auto-ack", CPU, "us", at_most=0.5),
        Line("", RATE, "/s", at_least=1.5e6),
    ]),
    Row("16B-manual", steady("--size", 16, "--ack", "manual", "--prefetch", 1000), [
        Line("16 B, transient, manual ack, prefetch 1000", CPU, "us", at_most=0.7),
        Line("", RATE, "/s"),
    ]),
    Row("1KiB", steady("--size", 1024), [
        Line("1 KiB, transient, auto-ack", CPU, "us", at_most=1.5),
        Line("", RATE, "/s"),
    ]),
    Row("durable", steady(*DURABLE, "--confirm", 1000), [
        Line("1 KiB, durable, confirms (window 1000), manual ack", CPU, "us", at_most=3.0),
        Line("", RATE, "/s", at_least=250e3),
    ]),
    Row("quorum", steady(*DURABLE, "--confirm", 1000, "--queue-type", "quorum"), [
        Line("the same, quorum queue", CPU, "us", at_most=3.0),
        Line("", RATE, "/s", at_least=250e3),
    ]),
    Row("one-confirm", one_confirm_at_a_time, [
        Line("1 KiB, durable, one confirm at a time", CPU, "us", at_most=120),
        Line("", RATE, "/s"),
        Line("confirm p50", "confirm_p50_us", "us", at_most_measured=of_the_machine),
    ]),
    Row("fanout", steady("--size", 1024, "--fanout", 10), [
        Line("1 KiB, fan-out to 10 queues, per published message", CPU, "us", at_most=12),
        Line("", RATE, "/s"),
    ]),
    Row("latency", latency, [
        Line("1 KiB, transient, 5 000/s: latency p50", "latency_p50_us", "us",
             at_most_measured=of_mosquitto("latency_p50_us")),
        Line("p99", "latency_p99_us", "us", at_most_measured=of_mosquitto("latency_p99_us")),
    ], brokers=("RabbitMQ", "mosquitto", "Millrace")),
    Row("start", start, [Line("start until it accepts", "start_seconds", "s", at_most=0.020)], fresh=True),
    Row("idle", idle_connections, [
        Line("an idle connection with a channel", "broker_bytes_per_connection", "bytes", at_most=12 * 1024),
        Line("CPU while all are idle", "broker_idle_cpu_percent", "%"),
    ], fresh=True, once=True),
    Row("declare", declare, [
        Line("durable queues declared one at a time", "queues_per_second", "/s", at_least=3000),
        Line("pipelined", "pipelined_per_second", "/s", at_least=20e3),
        Line("memory of one", "bytes_per_queue", "bytes", at_most=2048),
    ], fresh=True, once=True),
    Row("restart_queues", restart_with_queues, [
        Line("restart with them after kill -9", "restart_seconds", "s", at_most=1),
    ], fresh=True, once=True),
    Row("backlog", backlog, [
        Line("durable backlog of 1 KiB messages: publish", "publish_" + CPU, "us", at_most=2.5),
        Line("drain", "drain_" + CPU, "us", at_most=1.2),
        Line("publish", "publish_" + RATE, "/s"),
        Line("drain", "drain_" + RATE, "/s"),
        Line("peak memory", "peak_bytes", "bytes", at_most=200e6),
    ], fresh=True, once=True),
    Row("restart", restart_with_backlog, [
        Line("restart with that backlog after kill -9", "restart_seconds", "s", at_most=0.5),
    ], fresh=True, once=True),
    Row("shards", shards, [
        Line("CPU per message, two shards to one: 16 B", "ratio_16", "x", at_most=1.15),
        Line("1 KiB", "ratio_1024", "x", at_most=1.15),
    ], brokers=("Millrace",), once=True),
]  # fmt: skip
