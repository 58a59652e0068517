"""Values seen before are held back; messages get a number of their own."""

import time

import pika
import pytest

from harness.pika_tools import depth, drain, get, publish

dedup_only = pytest.mark.millrace_only("RabbitMQ has deduplication by a plug-in that Debian does not ship")


def publish_order(channel, exchange, key, number):
    channel.basic_publish(exchange, key, str(number), pika.BasicProperties(headers={"x-deduplication-header": number}))


@dedup_only
def test_a_deduplicating_exchange_routes_each_value_once(channel, declare_queue, name):
    exchange, queue = name("dedup"), declare_queue()
    arguments = {"x-cache-size": 1000, "x-cache-ttl": 60000}
    channel.exchange_declare(exchange, "x-message-deduplication", arguments=arguments)
    channel.queue_bind(queue, exchange, "k")
    channel.confirm_delivery()
    for number in (1, 2, 1, 3, 2):
        publish_order(channel, exchange, "k", number)
    assert drain(channel, queue) == [b"1", b"2", b"3"]
    channel.exchange_delete(exchange)


@dedup_only
def test_a_deduplicating_queue_holds_each_value_once(channel, declare_queue):
    queue = declare_queue(message_deduplication=True)
    channel.confirm_delivery()
    for number in (1, 2, 1, 2):
        publish_order(channel, "", queue, number)
    assert drain(channel, queue) == [b"1", b"2"]


@dedup_only
def test_a_value_is_forgotten_when_its_window_has_passed(channel, declare_queue):
    queue = declare_queue(message_deduplication=True, cache_ttl=200)
    channel.confirm_delivery()
    publish_order(channel, "", queue, 1)
    publish_order(channel, "", queue, 1)
    channel.connection.sleep(0.4)
    publish_order(channel, "", queue, 1)
    assert depth(channel, queue) == 2


@pytest.mark.millrace_only("stamping is Millrace's own")
def test_a_stamping_queue_numbers_its_messages_without_gaps(channel, declare_queue):
    queue = declare_queue(message_stamp=True)
    for _ in range(3):
        publish(channel, queue, b"m")
    publish(channel, queue, b"m", message_id="mine")
    stamped = [get(channel, queue)[1] for _ in range(4)]
    numbers = [one.headers["x-sequence"] for one in stamped]
    assert [number - numbers[0] for number in numbers] == [0, 1, 2, 3]
    assert all(abs(time.time() * 1000 - one.headers["x-arrival-ms"]) < 60000 for one in stamped)
    assert stamped[3].message_id == "mine"
    assert len({one.message_id for one in stamped}) == 4 and all(one.message_id for one in stamped)
