"""What queues and exchanges remember outlives a restart: values seen, recent history, the time of a retry."""

import threading
import time

import pika
import pytest

from harness.pika_tools import Inbox, depth, drain, get, parameters

pytestmark = pytest.mark.millrace_only("RabbitMQ has none of these, or by plug-ins that Debian does not ship")

# Flooded: by more than the logs of all shards hold, so that what is remembered must have moved on to checkpoints and
# segments.
ENDINGS = pytest.mark.parametrize(
    "ending, flooded", [("stop", False), ("kill", False), ("kill", True)], ids=["stop", "kill", "flooded"]
)
ONCE = {"x-cache-size": 1000}


def open_channel(broker):
    channel = pika.BlockingConnection(parameters(broker)).channel()
    channel.confirm_delivery()
    return channel


def flood(channel, megabytes=400):
    for number in range(4):
        channel.queue_declare(f"flood{number}", durable=True)
    unconfirmed = channel.connection.channel()
    for number in range(megabytes):
        unconfirmed.basic_publish("", f"flood{number % 4}", bytes(1 << 20), pika.BasicProperties(delivery_mode=2))
        if number % 20 == 19:
            for queue in range(4):
                unconfirmed.queue_purge(f"flood{queue}")
    unconfirmed.close()


def restart(broker, channel, ending, flooded=False):
    if flooded:
        flood(channel)
    for number in range(4):  # on all shards: acknowledgements before these confirms are on the disk as well
        channel.queue_declare(f"last{number}", durable=True)
        channel.basic_publish("", f"last{number}", b"", pika.BasicProperties(delivery_mode=2))
    getattr(broker, ending)()
    return open_channel(broker.start())


def publish(channel, exchange, key, value, delivery_mode=2):
    properties = pika.BasicProperties(delivery_mode=delivery_mode, headers={"x-deduplication-header": value})
    channel.basic_publish(exchange, key, str(value), properties)


@ENDINGS
def test_a_queue_holds_each_value_once_through_a_restart(own_broker, ending, flooded):
    broker = own_broker()
    channel = open_channel(broker)
    queues = [f"q{number}" for number in range(4)]  # on all shards
    for queue in queues:
        channel.queue_declare(queue, durable=True, arguments={"x-message-deduplication": True})
        for value in (1, 2, 3):
            publish(channel, "", queue, value)
        assert get(channel, queue)[2] == b"1"
    for _ in range(2):  # and once more, without anything new
        channel = restart(broker, channel, ending, flooded)
        for queue in queues:
            publish(channel, "", queue, 2)
            publish(channel, "", queue, 3)
            assert depth(channel, queue) == 2
    for queue in queues:
        publish(channel, "", queue, 1)
        assert drain(channel, queue) == [b"2", b"3", b"1"]
        publish(channel, "", queue, 2)
        assert drain(channel, queue) == [b"2"]


@ENDINGS
def test_the_window_of_a_queue_outlives_its_messages_and_a_restart(own_broker, ending, flooded):
    broker = own_broker()
    channel = open_channel(broker)
    arguments = {"x-deduplication-header": "x-deduplication-header", "x-cache-size": 3}
    channel.queue_declare("q", durable=True, arguments=arguments)
    for value in range(1, 6):
        publish(channel, "", "q", value)
    assert len(drain(channel, "q")) == 5
    channel = restart(broker, channel, ending, flooded)
    for value in (3, 4, 5, 2, 4):  # 2 is new again, and pushes 3 out
        publish(channel, "", "q", value)
    assert drain(channel, "q") == [b"2"]
    channel = restart(broker, channel, ending, flooded)
    for value in (4, 5, 2, 3):
        publish(channel, "", "q", value)
    assert drain(channel, "q") == [b"3"]


@ENDINGS
def test_the_window_of_an_exchange_outlives_a_restart(own_broker, ending, flooded):
    broker = own_broker()
    channel = open_channel(broker)
    for number in range(4):
        channel.queue_declare(f"q{number}", durable=True)
    for number in range(3):  # one of each number of queues, wherever they are
        channel.exchange_declare(f"once{number}", "x-message-deduplication", durable=True, arguments=ONCE)
        for queue in range(number, 4):
            channel.queue_bind(f"q{queue}", f"once{number}")
        for value in (1, 2):
            publish(channel, f"once{number}", "", value)
        publish(channel, f"once{number}", "", 3, delivery_mode=1)
    for queue in range(4):
        drain(channel, f"q{queue}")
    for _ in range(2):
        channel = restart(broker, channel, ending, flooded)
        for number in range(3):
            for value in (1, 2):
                publish(channel, f"once{number}", "", value)
        assert [depth(channel, f"q{queue}") for queue in range(4)] == [0] * 4
    for number in range(3):
        for value in (3, 4, 4):  # what was transient has gone, and so may come again
            publish(channel, f"once{number}", "", value)
    assert [depth(channel, f"q{queue}") for queue in range(4)] == [2, 4, 6, 6]


def test_a_window_of_an_exchange_that_a_restart_ends_is_over(own_broker):
    broker = own_broker()
    channel = open_channel(broker)
    channel.queue_declare("q", durable=True)
    arguments = {"x-cache-size": 10, "x-cache-ttl": 1500}
    channel.exchange_declare("once", "x-message-deduplication", durable=True, arguments=arguments)
    channel.queue_bind("q", "once")
    publish(channel, "once", "", 1)
    began = time.monotonic()
    channel = restart(broker, channel, "kill")
    if time.monotonic() - began < 1.2:
        publish(channel, "once", "", 1)
        assert depth(channel, "q") == 1
    time.sleep(1.6)
    publish(channel, "once", "", 1)
    assert depth(channel, "q") == 2


@ENDINGS
def test_recent_history_outlives_a_restart_and_is_not_given_twice(own_broker, ending, flooded):
    broker = own_broker()
    channel = open_channel(broker)
    channel.exchange_declare("recent", "x-recent-history", durable=True, arguments={"x-recent-history-length": 5})
    channel.queue_declare("before", durable=True)
    channel.queue_bind("before", "recent")
    for number in range(8):
        channel.basic_publish("recent", "k", str(number), pika.BasicProperties(delivery_mode=2))
    assert len(drain(channel, "before")) == 8
    channel = restart(broker, channel, ending, flooded)
    assert history(channel) == [b"3", b"4", b"5", b"6", b"7"]
    assert depth(channel, "before") == 0
    for body, mode in ((b"8", 2), (b"transient", 1)):
        channel.basic_publish("recent", "k", body, pika.BasicProperties(delivery_mode=mode))
    assert history(channel) == [b"5", b"6", b"7", b"8", b"transient"]
    channel = restart(broker, channel, ending, flooded)
    assert history(channel)[-4:] == [b"5", b"6", b"7", b"8"]
    assert drain(channel, "before") == [b"8"]


def history(channel):
    """What a queue gets that is bound now."""
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "recent")
    time.sleep(0.2)
    return drain(channel, queue)


@ENDINGS
def test_a_retry_waits_for_its_time_through_a_restart(own_broker, ending, flooded):
    broker = own_broker()
    channel = open_channel(broker)
    wait = 20 if flooded else 6
    arguments = {
        "x-queue-type": "quorum",
        "x-delayed-retry-type": "all",
        "x-delayed-retry-min": wait * 1000,
        "x-delayed-retry-max": wait * 2000,
    }
    channel.queue_declare("q", durable=True, arguments=arguments)
    for body in ("waits", "a", "b"):
        channel.basic_publish("", "q", body, pika.BasicProperties(delivery_mode=2))
    held = channel.connection.channel()
    method, _, body = get(held, "q", auto_ack=False)
    assert body == b"waits"
    held.basic_reject(method.delivery_tag, requeue=True)
    depth(held, "q")
    due = time.monotonic() + wait
    channel = restart(broker, channel, ending, flooded)
    assert time.monotonic() < due - 0.5, "this machine is too slow for the test"
    assert depth(channel, "q") == 2
    inbox = Inbox(channel, "q", auto_ack=False)
    assert inbox.wait(2) == [b"a", b"b"]
    assert inbox.settle(0.3) == [b"a", b"b"]
    assert inbox.wait(3, seconds=wait + 5)[2] == b"waits"
    assert due - 0.5 < time.monotonic()
    method, properties, _ = inbox.deliveries[2]
    assert method.redelivered and properties.headers["x-delivery-count"] == 1


class Burst(threading.Thread):
    """Publishes all at once, and keeps the order in which the confirms came."""

    def __init__(self, broker, exchange, key, values):
        super().__init__()
        self.broker, self.exchange, self.key, self.values = broker, exchange, key, values
        self.order = []

    def run(self):
        connection = pika.SelectConnection(parameters(self.broker), on_open_callback=self.opened)
        connection.ioloop.start()

    def opened(self, connection):
        self.connection = connection
        connection.channel(on_open_callback=self.channel_opened)

    def channel_opened(self, channel):
        channel.add_on_close_callback(lambda *_: self.connection.ioloop.stop())
        channel.confirm_delivery(self.confirmed)
        for value in self.values:
            publish(channel, self.exchange, self.key, value)

    def confirmed(self, frame):
        tag = frame.method.delivery_tag
        tags = [one for one in range(1, tag + 1) if one not in self.order] if frame.method.multiple else [tag]
        self.order += tags
        if len(self.order) == len(self.values):
            self.connection.close()
            self.connection.ioloop.stop()


@pytest.mark.parametrize("way", ["queue", "window", "exchange"])
def test_a_repeat_is_not_confirmed_before_its_first_copy(own_broker, way):
    broker = own_broker()
    channel = open_channel(broker)
    arguments = {"x-message-deduplication": True} if way == "queue" else ONCE if way == "window" else None
    if way == "window":
        arguments = {"x-deduplication-header": "x-deduplication-header", **ONCE}
    for number in range(4):
        channel.queue_declare(f"q{number}", durable=True, arguments=arguments)
    exchange = "" if way != "exchange" else "once"
    if exchange:
        channel.exchange_declare(exchange, "x-message-deduplication", durable=True, arguments=ONCE)
        for number in range(4):
            channel.queue_bind(f"q{number}", exchange)
    for round_number in range(4):
        values = [f"{round_number} {number // 2}" for number in range(100)]
        burst = Burst(broker, exchange, f"q{round_number}", values)
        burst.start()
        burst.join(20)
        assert sorted(burst.order) == list(range(1, 101))
        early = [tag for tag in range(2, 101, 2) if burst.order.index(tag) < burst.order.index(tag - 1)]
        assert not early, f"confirmed before what they repeat: {early}"
