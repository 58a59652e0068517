"""A ranked queue with more than memory is to hold: its order is exact all the same, and kill -9 changes nothing."""

import os
import random

import pika
import pytest

from harness.pika_tools import depth, parameters

pytestmark = pytest.mark.millrace_only("RabbitMQ serves in order of arrival, or by priority")

MESSAGES = 48_000
BODY = os.urandom(2048)
# What is kept of messages is 64 MiB (NodeOptions::resident_bytes); the broker takes some 15 without any.
MOST_BYTES = 120 << 20


def publish(channel, sizes):
    for at, size in enumerate(sizes, 1):
        if at == len(sizes):
            channel.confirm_delivery()  # of the last: what went before it is on the disk, too
        properties = pika.BasicProperties(delivery_mode=2, headers={"x-size": size})
        channel.basic_publish("", "backlog", BODY, properties)


def take(channel, count):
    """The sizes in the order in which they come."""
    sizes = []
    for method, properties, body in channel.consume("backlog", inactivity_timeout=30):
        assert method is not None, f"nothing more comes after {len(sizes)} messages"
        assert body == BODY
        sizes.append(properties.headers["x-size"])
        channel.basic_ack(method.delivery_tag)
        if len(sizes) == count:
            break
    channel.cancel()
    return sizes


def scratch_files(broker):
    return list((broker.directory / "data").glob("*/ranks/*"))


def test_a_backlog_on_disk_is_served_in_exact_order_through_a_crash(own_broker):
    broker = own_broker()
    luck = random.Random(7)
    sizes = [luck.randrange(100_000) for _ in range(MESSAGES)]
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=16)
        channel.queue_declare("backlog", durable=True, arguments={"x-scheduling": "sjf"})
        publish(channel, sizes)
        assert broker.resident_bytes() < MOST_BYTES
        assert scratch_files(broker) != []
        first = take(channel, 5000)
    assert first == sorted(sizes)[:5000]
    broker.kill()
    broker.start()
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=16)
        # An acknowledgement may be lost with the process; nothing else comes twice.
        left = depth(channel, "backlog")
        assert MESSAGES - 5000 <= left <= MESSAGES
        rest = take(channel, left)
        assert broker.resident_bytes() < MOST_BYTES
    assert rest == sorted(sizes)[MESSAGES - left :]
    broker.stop()
    assert scratch_files(broker) == []
