"""Following messages: the firehose as RabbitMQ has it, and traces of single messages."""

import json
import subprocess
import time

import pika
import pytest

from harness.cli import command
from harness.http import Api
from harness.pika_tools import Inbox, parameters, wait_until

pytestmark = pytest.mark.millrace_only("traces are Millrace's")

DURABLE = pika.BasicProperties(delivery_mode=2)


@pytest.fixture
def broker(own_broker):
    return own_broker(options=["--http", "127.0.0.1:0", "--shards", "2"])


@pytest.fixture
def channel(broker):
    with pika.BlockingConnection(parameters(broker)) as connection:
        yield connection.channel()


class Trace:
    def __init__(self, api, **wanted):
        self.api = api
        self.id = api.post("/millrace/traces", wanted, 201).json["id"]
        self.events, self.next, self.missed = [], 0, 0

    def look(self):
        told = self.api.get(f"/millrace/traces/{self.id}?after={self.next}")
        self.next, self.missed = told["next"], told["missed"]
        self.events += told["events"]
        return self

    def steps(self):
        return [event["step"] for event in self.events]

    def wait(self, count):
        wait_until(lambda: len(self.look().events) >= count, describe=lambda: self.steps())
        return self.events


def test_a_trace_follows_a_message_from_its_exchange_to_its_acknowledgement(broker, channel):
    channel.queue_declare("work", durable=True)
    channel.queue_bind("work", "amq.topic", "orders.#")
    channel.basic_publish("amq.topic", "orders.eu", b"before anybody looks")
    channel.basic_get("work", auto_ack=True)
    trace = Trace(Api(broker), message_id="m1")
    before = time.time()
    for message_id in ("m0", "m1", "m2"):
        channel.basic_publish("amq.topic", "orders.eu", b"12345", pika.BasicProperties(message_id=message_id, delivery_mode=2))
    inbox = Inbox(channel, "work", auto_ack=False)
    inbox.wait(3)
    for method, _, _ in inbox.deliveries:
        channel.basic_ack(method.delivery_tag)
    channel.queue_declare("work", passive=True)
    trace.wait(4)
    assert trace.steps() == ["published", "queued", "delivered", "acknowledged"] and trace.missed == 0
    published, queued, delivered, acknowledged = trace.events
    assert published["exchange"] == "amq.topic" and published["routing_key"] == "orders.eu"
    assert published["targets"] == ["work"] and published["body_bytes"] == 5
    assert published["user"] == "guest" and published["peer"].startswith("127.0.0.1:")
    assert {event["message_id"] for event in trace.events} == {"m1"}
    assert queued["queue"] == delivered["queue"] == acknowledged["queue"] == "work"
    assert queued["seq"] == delivered["seq"] == acknowledged["seq"] == 3
    times = [event["at_us"] for event in trace.events]
    assert times == sorted(times) and before - 1 < times[0] / 1e6 < times[-1] / 1e6 < time.time() + 1


def test_a_trace_by_key_sees_refusals_returns_and_dead_letters(broker, channel):
    channel.queue_declare("dead", durable=True)
    channel.queue_declare(
        "work",
        durable=True,
        arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-max-length": 1, "x-overflow": "reject-publish"},
    )
    trace = Trace(Api(broker), routing_key="wor*.#")
    assert trace.look().events == []  # '*' stands for words, not for letters
    trace = Trace(Api(broker), routing_key="work.#")
    channel.basic_publish("", "work", b"1", DURABLE)
    trace.wait(2)
    channel.basic_publish("", "work", b"2", DURABLE)
    trace.wait(4)
    channel.basic_reject(channel.basic_get("work")[0].delivery_tag, requeue=True)
    trace.wait(6)
    channel.basic_reject(channel.basic_get("work")[0].delivery_tag, requeue=False)
    trace.wait(10)
    assert trace.steps() == [
        "published", "queued", "published", "refused", "got", "requeued", "got", "rejected", "dead-lettered", "queued",
    ]  # fmt: skip
    assert trace.events[6]["redelivered"]
    assert trace.events[8]["queue"] == "work" and trace.events[8]["targets"] == ["dead"]
    assert trace.events[9]["queue"] == "dead"
    assert channel.basic_get("dead", auto_ack=True)[2] == b"1"
    trace.wait(11)
    assert trace.events[10]["step"] == "got" and trace.events[10]["queue"] == "dead"


def test_traces_are_for_those_who_monitor_and_end(broker, channel):
    admin = Api(broker)
    for user, tags in (("watcher", "monitoring"), ("other", "monitoring"), ("manager", "management")):
        admin.put(f"/users/{user}", {"password": user, "tags": tags})
        admin.put(f"/permissions/%2F/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
    wanted = {"message_id": "m"}
    assert Api(broker, "manager")("POST", "/millrace/traces", wanted).status == 401
    watcher = Api(broker, "watcher")
    trace = Trace(watcher, **wanted)
    assert Api(broker, "other")("GET", f"/millrace/traces/{trace.id}").status == 401
    assert admin("GET", f"/millrace/traces/{trace.id}").status == 200
    watcher.delete(f"/millrace/traces/{trace.id}")
    assert watcher("GET", f"/millrace/traces/{trace.id}").status == 404
    assert admin("POST", "/millrace/traces", {}).status == 400
    assert admin("POST", "/millrace/traces", {"message_id": "m", "vhost": "nonesuch"}).status == 404
    assert admin("POST", "/millrace/traces", {"message_id": "m" * 256}).status == 400
    traces = [Trace(admin, **wanted) for _ in range(16)]
    assert admin("POST", "/millrace/traces", wanted).status == 503
    for one in traces:
        admin.delete(f"/millrace/traces/{one.id}")
    Trace(admin, **wanted)


def test_the_command_line_prints_what_happens(broker, channel):
    channel.queue_declare("work")
    started = command(broker, "trace", "--correlation-id", "c\x1b1", "--count", "4")
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as plain, subprocess.Popen(
        started + ["--json"], stdout=subprocess.PIPE, text=True
    ) as as_json:
        try:
            # Both watch when both have a trace of theirs.
            wait_until(lambda: all(Api(broker)("GET", f"/millrace/traces/{n}").status == 200 for n in (1, 2)))
            channel.basic_publish("", "work", b"x", pika.BasicProperties(correlation_id="c\x1b1"))
            channel.basic_ack(channel.basic_get("work")[0].delivery_tag)
            lines = plain.communicate(timeout=20)[0].splitlines()
            events = [json.loads(line) for line in as_json.communicate(timeout=20)[0].splitlines()]
        finally:
            plain.kill()
            as_json.kill()
    assert [event["step"] for event in events] == ["published", "queued", "got", "acknowledged"]
    assert [line.split()[1] for line in lines] == ["published", "queued", "got", "acknowledged"]
    assert "exchange '' key 'work' to 'work'" in lines[0] and "\x1b" not in "".join(lines)
    assert (plain.returncode, as_json.returncode) == (0, 0)


def set_tracing(broker, on):
    Api(broker).put("/vhosts/%2F", {"tracing": on})


def test_the_firehose_copies_what_is_published_and_delivered_as_rabbitmq_does(broker, channel):
    api = Api(broker)
    assert api.get("/vhosts/%2F")["tracing"] is False
    channel.queue_declare("hose")
    channel.queue_bind("hose", "amq.rabbitmq.trace", "#")
    channel.queue_declare("work")
    channel.basic_publish("", "work", b"not seen")
    channel.basic_get("work", auto_ack=True)
    set_tracing(broker, True)
    assert api.get("/vhosts/%2F")["tracing"] is True
    properties = pika.BasicProperties(content_type="text/plain", delivery_mode=2, priority=3, headers={"a": 1}, message_id="m")
    channel.basic_publish("", "work", b"seen", properties)
    inbox = Inbox(channel, "work")
    inbox.wait(1)
    copies = Inbox(channel, "hose")
    copies.wait(2)
    (method, props, body), (delivered, delivered_props, delivered_body) = copies.deliveries
    assert (method.exchange, method.routing_key, body) == ("amq.rabbitmq.trace", "publish.", b"seen")
    assert (delivered.routing_key, delivered_body) == ("deliver.work", b"seen")
    headers = props.headers
    assert headers["exchange_name"] == "" and headers["routing_keys"] == ["work"] and headers["routed_queues"] == ["work"]
    assert headers["vhost"] == "/" and headers["user"] == "guest" and headers["node"].startswith("millrace@")
    assert headers["properties"] == {"content_type": "text/plain", "delivery_mode": 2, "priority": 3, "headers": {"a": 1}, "message_id": "m"}
    assert delivered_props.headers["redelivered"] == 0 and "routed_queues" not in delivered_props.headers
    set_tracing(broker, False)
    channel.basic_publish("", "work", b"not seen")
    inbox.wait(2)
    assert channel.queue_declare("hose", passive=True).method.message_count == 0 and len(copies.deliveries) == 2


def test_a_queue_of_the_firehose_that_gets_messages_as_well_does_not_go_round_in_circles(broker, channel):
    channel.queue_declare("both")
    channel.queue_bind("both", "amq.rabbitmq.trace", "#")
    set_tracing(broker, True)
    inbox = Inbox(channel, "both")
    channel.basic_publish("", "both", b"x")
    inbox.wait(3)
    assert sorted(method.routing_key for method, _, _ in inbox.deliveries) == ["both", "deliver.both", "publish."]
    time.sleep(0.2)
    channel.queue_declare("both", passive=True)
    assert len(inbox.deliveries) == 3


def test_the_firehose_crosses_shards(broker):
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        queues = [f"q{n}" for n in range(4)]
        for queue in [*queues, *(f"hose{n}" for n in range(4))]:
            channel.queue_declare(queue)
        for n in range(4):
            channel.queue_bind(f"hose{n}", "amq.rabbitmq.trace", "deliver.#")
        set_tracing(broker, True)
        work = [Inbox(channel, queue) for queue in queues]
        for queue in queues:
            channel.basic_publish("", queue, b"x")
        for inbox in work:
            inbox.wait(1)
        for n in range(4):
            copies = Inbox(channel, f"hose{n}")
            copies.wait(4)
            assert sorted(method.routing_key for method, _, _ in copies.deliveries) == [f"deliver.{queue}" for queue in queues]


def test_what_happens_to_the_brokers_objects_is_told_by_the_exchange_for_events(broker, channel):
    channel.queue_declare("events")
    channel.queue_bind("events", "amq.rabbitmq.event", "#")
    events = Inbox(channel, "events")
    channel.queue_declare("q", durable=True, arguments={"x-max-length": 3})
    channel.queue_bind("q", "amq.topic", "a.b")
    channel.queue_delete("q")
    Api(broker).put("/users/someone", {"password": "x", "tags": ""})
    with pika.BlockingConnection(parameters(broker)):
        pass
    told = {}
    wanted = {"binding.created", "queue.created", "queue.deleted", "user.created", "connection.created", "connection.closed"}

    def all_came():
        channel.connection.process_data_events(time_limit=0.1)
        told.update({method.routing_key: props.headers for method, props, _ in events.deliveries if method.routing_key not in told})
        return wanted <= set(told)

    wait_until(all_came, describe=lambda: set(told))
    assert told["queue.created"]["name"] == "q" and told["queue.created"]["vhost"] == "/"
    assert told["queue.created"]["durable"] is True and told["queue.created"]["arguments"]["x-max-length"] == 3
    assert told["user.created"]["name"] == "someone" and "password" not in str(told["user.created"])
    assert told["connection.closed"]["user"] == "guest"
    assert abs(told["queue.created"]["timestamp_in_ms"] / 1000 - time.time()) < 60


def test_channels_and_consumers_are_told_as_events(broker):
    with pika.BlockingConnection(parameters(broker)) as watching:
        listener = watching.channel()
        listener.queue_declare("events")
        for key in ("channel.*", "consumer.*"):
            listener.queue_bind("events", "amq.rabbitmq.event", key)
        events = Inbox(listener, "events")
        with pika.BlockingConnection(parameters(broker)) as connection:
            channel = connection.channel()
            for queue in ("a", "b"):  # on both shards
                channel.queue_declare(queue)
            tag = channel.basic_consume("a", lambda *_: None)
            channel.basic_consume("b", lambda *_: None, auto_ack=True, consumer_tag="left")
            channel.basic_cancel(tag)
            channel.queue_delete("b")
            connection.channel()  # ends with its connection
        told = []

        def all_came():
            listener.connection.process_data_events(time_limit=0.1)
            told[:] = [(method.routing_key, props.headers) for method, props, _ in events.deliveries]
            keys = [key for key, headers in told if headers.get("queue") != "events"]
            return [keys.count(key) for key in ("channel.created", "channel.closed", "consumer.created", "consumer.deleted")] == [2, 2, 2, 2]

        wait_until(all_came, describe=lambda: told)
        consumers = {(key, headers["queue"]): headers for key, headers in told if key.startswith("consumer.")}
        assert consumers["consumer.created", "a"]["consumer_tag"] == tag and consumers["consumer.created", "a"]["ack_required"] is True
        assert consumers["consumer.deleted", "b"]["consumer_tag"] == "left" and consumers["consumer.deleted", "b"]["ack_required"] is False
        channels = [headers for key, headers in told if key == "channel.closed"]
        assert all(headers["user"] == "guest" and headers["vhost"] == "/" and headers["connection"] for headers in channels)


def test_an_alarm_is_told_when_it_begins(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("alarms", durable=True)
        channel.queue_bind("alarms", "amq.rabbitmq.event", "alarm.#")
    for low_water, event in (("1000000GiB", "alarm.set"), ("1MiB", None)):
        broker.stop()
        broker.options = ["--http", "127.0.0.1:0", "--disk-low-water", low_water]
        broker.start()
        with pika.BlockingConnection(parameters(broker)) as connection:
            inbox = Inbox(connection.channel(), "alarms")
            if event is None:
                time.sleep(0.5)  # nothing ends that has not begun since the start
                assert inbox.deliveries == []
                continue
            inbox.wait(1)
            method, properties, _ = inbox.deliveries[0]
            assert (method.routing_key, properties.headers["source"]) == (event, "disk")


def test_the_firehose_is_off_after_a_restart_as_rabbitmqs_is(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    set_tracing(broker, True)
    assert Api(broker).get("/vhosts/%2F")["tracing"] is True
    broker.stop()
    broker.start()
    assert Api(broker).get("/vhosts/%2F")["tracing"] is False
