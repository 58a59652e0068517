"""Connections move to the shard whose queues they use, while they are used."""

import re
import threading

import aiormq
import asyncio
import pika
import pytest

from harness.pika_tools import parameters

MESSAGES = 4000

pytestmark = pytest.mark.millrace_only("looks into Millrace's log")


def moves(broker):
    return len(re.findall(r"moved from shard", broker.log_path.read_text()))


@pytest.fixture
def two_shards(own_broker):
    return own_broker(options=["--log-level", "debug"])


def declare(broker, number, durable):
    connection = pika.BlockingConnection(parameters(broker))
    channel = connection.channel()
    for queue in range(number):
        channel.queue_declare(f"q{queue}", durable=durable)
    connection.close()


class Consumer(threading.Thread):
    """Takes what a queue gives, by a connection of its own, until told that it is all."""

    def __init__(self, broker, queue, no_ack, wanted):
        super().__init__(daemon=True)
        self.broker, self.queue, self.no_ack, self.wanted = broker, queue, no_ack, wanted
        self.bodies, self.redelivered = [], 0
        self.error = None

    def run(self):
        try:
            self.consume()
        except Exception as error:  # noqa: BLE001: told by the test
            self.error = error

    def consume(self):
        connection = pika.BlockingConnection(parameters(self.broker, heartbeat=2))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=50)
        for method, _, body in channel.consume(self.queue, auto_ack=self.no_ack, inactivity_timeout=20):
            if method is None:
                break
            self.bodies.append(body.decode())
            self.redelivered += method.redelivered
            if not self.no_ack:
                channel.basic_ack(method.delivery_tag)
            if len(self.bodies) == self.wanted:
                break
        connection.close()


class Publisher(threading.Thread):
    """Publishes to one queue after the other, so that one of them at least is not where the connection began."""

    def __init__(self, broker, name, queues, durable):
        super().__init__(daemon=True)
        self.broker, self.name, self.queues, self.durable = broker, name, queues, durable
        self.confirmed = 0
        self.error = None

    def run(self):
        try:
            asyncio.run(self.publish())
        except Exception as error:  # noqa: BLE001: told by the test
            self.error = error

    async def publish(self):
        """With many confirms outstanding, so that some come while the connection is on its way."""
        connection = await aiormq.connect(self.broker.url())
        channel = await connection.channel(publisher_confirms=True)
        properties = aiormq.spec.Basic.Properties(delivery_mode=2 if self.durable else 1)
        for queue in self.queues:
            window = []
            for number in range(MESSAGES):
                body = f"{self.name} {number}".encode()
                publish = channel.basic_publish(body, routing_key=queue, properties=properties)
                window.append(asyncio.ensure_future(publish))
                if len(window) == 200:
                    await asyncio.gather(*window)
                    self.confirmed += len(window)
                    window = []
        await connection.close()


@pytest.mark.parametrize("no_ack", [True, False], ids=["auto-ack", "manual-ack"])
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "transient"])
def test_nothing_is_lost_doubled_or_out_of_order_while_connections_move(two_shards, durable, no_ack):
    declare(two_shards, 4, durable)  # by turns on one shard and on the other
    pairs = [(f"q{number}", f"q{(number + 1) % 4}") for number in range(4)]
    publishers = [Publisher(two_shards, f"p{number}", pair, durable) for number, pair in enumerate(pairs)]
    consumers = [Consumer(two_shards, f"q{number}", no_ack, 2 * MESSAGES) for number in range(4)]
    for thread in consumers + publishers:
        thread.start()
    for thread in publishers + consumers:
        thread.join(90)
        assert thread.error is None
        assert not thread.is_alive()
    assert [publisher.confirmed for publisher in publishers] == [2 * MESSAGES] * 4
    for number, consumer in enumerate(consumers):
        assert consumer.redelivered == 0
        for publisher in publishers:
            if f"q{number}" not in publisher.queues:
                continue
            of_it = [body for body in consumer.bodies if body.startswith(publisher.name + " ")]
            assert of_it == [f"{publisher.name} {number}" for number in range(MESSAGES)]
        assert len(consumer.bodies) == 2 * MESSAGES
    assert moves(two_shards) >= len(publishers)
