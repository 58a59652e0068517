"""kill -9 under load, again and again: no confirmed message and no definition is lost."""

import os
import random
import threading
import time

import pika
import pytest

from harness.pika_tools import PERSISTENT, parameters

ROUNDS = int(os.environ.get("MILLRACE_KILL_ROUNDS", "6"))
QUEUES = ["classic", "quorum", "priority"]
ARGUMENTS = {"classic": None, "quorum": {"x-queue-type": "quorum"}, "priority": {"x-max-priority": 3}}


class Publisher(threading.Thread):
    """Publishes numbered messages to one queue, a window at a time, and keeps which of them were confirmed."""

    WINDOW = 50

    def __init__(self, broker, queue, first):
        super().__init__()
        self.parameters = parameters(broker)
        self.queue = queue
        self.next = first
        self.confirmed = set()
        self.stopped = threading.Event()

    def run(self):
        connection = pika.SelectConnection(self.parameters, on_open_callback=self.opened)
        connection.add_on_close_callback(lambda *_: connection.ioloop.stop())
        connection.add_on_open_error_callback(lambda *_: connection.ioloop.stop())
        connection.ioloop.start()

    def opened(self, connection):
        connection.channel(on_open_callback=self.channel_opened)

    def channel_opened(self, channel):
        self.channel = channel
        self.in_flight = {}
        self.tag = 0
        channel.confirm_delivery(self.on_confirm, callback=lambda _: self.fill())

    def fill(self):
        while len(self.in_flight) < self.WINDOW:
            self.tag += 1
            self.in_flight[self.tag] = self.next
            body = f"{self.next}:".encode() + b"x" * (self.next * 7919 % 3000)
            self.channel.basic_publish("", self.queue, body, PERSISTENT)
            self.next += 1

    def on_confirm(self, frame):
        assert frame.method.NAME == "Basic.Ack"
        last = frame.method.delivery_tag
        tags = [tag for tag in self.in_flight if tag <= last] if frame.method.multiple else [last]
        for tag in tags:
            self.confirmed.add(self.in_flight.pop(tag))
        self.fill()


def drain(connection, queue):
    """Takes all messages of a queue, acknowledges them, and returns their numbers."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=500)
    numbers = []
    for method, _, body in channel.consume(queue, inactivity_timeout=1):
        if method is None:
            break
        number, filling = body.split(b":")
        assert len(filling) == int(number) * 7919 % 3000, "a body was damaged"
        numbers.append(int(number))
        if len(numbers) % 250 == 0:  # before the prefetch is used up
            channel.basic_ack(method.delivery_tag, multiple=True)
    channel.basic_ack(0, multiple=True)
    channel.cancel()
    channel.close()
    return numbers


@pytest.mark.timeout(240)
def test_kill_under_load_loses_nothing_that_was_confirmed(own_broker):
    seed = int(os.environ.get("MILLRACE_SEED", random.randrange(1 << 32)))
    print(f"replay with MILLRACE_SEED={seed}")
    prng = random.Random(seed)
    broker = own_broker()
    connection = pika.BlockingConnection(parameters(broker))
    for queue in QUEUES:
        connection.channel().queue_declare(queue, durable=True, arguments=ARGUMENTS[queue])
    confirmed, seen = {queue: set() for queue in QUEUES}, {queue: set() for queue in QUEUES}
    first = 0
    for round_number in range(ROUNDS):
        publishers = [Publisher(broker, queue, first) for queue in QUEUES]
        for publisher in publishers:
            publisher.start()
        declared = connection.channel().queue_declare(f"made in round {round_number}", durable=True).method.queue
        time.sleep(prng.uniform(0.2, 1.2))
        broker.kill()
        for publisher in publishers:
            publisher.join(20)
            assert not publisher.is_alive()
            confirmed[publisher.queue] |= publisher.confirmed
        first = max(publisher.next for publisher in publishers)
        broker.start()
        connection = pika.BlockingConnection(parameters(broker))
        connection.channel().queue_declare(declared, passive=True)
        if prng.random() < 0.5:  # sometimes a backlog is carried through several crashes
            for queue in QUEUES:
                seen[queue] |= set(drain(connection, queue))
    for queue in QUEUES:
        numbers = drain(connection, queue)
        assert numbers == sorted(numbers), f"{queue}: the order was not kept"
        seen[queue] |= set(numbers)
        lost = confirmed[queue] - seen[queue]
        assert confirmed[queue], f"{queue}: nothing was confirmed"
        assert not lost, f"{queue}: {len(lost)} of {len(confirmed[queue])} confirmed messages lost: {sorted(lost)[:9]}"


@pytest.mark.timeout(120)
def test_kill_while_consuming_redelivers_only_what_was_not_acknowledged(own_broker):
    seed = int(os.environ.get("MILLRACE_SEED", random.randrange(1 << 32)))
    print(f"replay with MILLRACE_SEED={seed}")
    prng = random.Random(seed)
    broker = own_broker()
    channel = pika.BlockingConnection(parameters(broker)).channel()
    channel.queue_declare("q", durable=True)
    channel.confirm_delivery()
    for number in range(300):
        channel.basic_publish("", "q", str(number), PERSISTENT)
    acknowledged = set()
    for _ in range(30):
        method, _, body = channel.basic_get("q")
        if prng.random() < 0.7:
            channel.basic_ack(method.delivery_tag)
            acknowledged.add(body)
    channel.connection.sleep(0.5)  # time enough for the acknowledgements to become durable
    broker.kill()
    channel = pika.BlockingConnection(parameters(broker.start())).channel()
    left = {body for _, _, body in iter(lambda: channel.basic_get("q", auto_ack=True), (None, None, None))}
    assert left == {str(number).encode() for number in range(300)} - acknowledged
