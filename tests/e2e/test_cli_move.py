"""`millrace move`: properties are kept, and whatever ends it, no message is lost."""

import collections
import time

import pika
import pytest

from harness.cli import Cli
from harness.pika_tools import depth, drain, get, publish, wait_until

pytestmark = pytest.mark.millrace_only("it is Millrace's command line")
OPTIONS = ["--http", "127.0.0.1:0"]

COUNT = 20_000


def test_messages_keep_what_they_carry(cli, channel, declare_queue):
    source, target = declare_queue(), declare_queue()
    properties = pika.BasicProperties(
        content_type="text/plain",
        headers={"n": 1, "list": ["a", True], "table": {"k": 5}},
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        reply_to="r",
        message_id="m",
        timestamp=1700000000,
        type="t",
        app_id="a",
    )
    channel.basic_publish("", source, b"\x00\xff", properties)
    publish(channel, source, b"second")
    assert cli("move", source, target, "--json").json == {"moved": 2}
    _, got, body = get(channel, target)
    assert body == b"\x00\xff"
    for key, value in vars(properties).items():
        assert getattr(got, key) == value, key
    assert drain(channel, target) == [b"second"] and depth(channel, source) == 0


def test_only_so_many_are_moved(cli, channel, declare_queue):
    source, target = declare_queue(), declare_queue()
    publish(channel, source, *[b"%d" % n for n in range(10)])
    cli("move", source, target, "--count", "4")
    assert drain(channel, target) == [b"0", b"1", b"2", b"3"]
    wait_until(lambda: depth(channel, source) == 6)
    assert drain(channel, source) == [b"%d" % n for n in range(4, 10)]
    assert cli("move", source, target).out == "0 messages moved\n"


def test_messages_stay_where_they_cannot_go(cli, channel, declare_queue, name):
    source = declare_queue()
    target = declare_queue(max_length=2, overflow="reject-publish")
    publish(channel, source, *[b"%d" % n for n in range(5)])
    assert "no queue" in cli("move", source, name("nowhere"), status=1).err
    assert "same" in cli("move", source, source, status=2).err
    assert "2 messages are moved" in cli("move", source, target, status=1, seconds=90).err
    wait_until(lambda: depth(channel, source) + depth(channel, target) == 5)
    assert sorted(drain(channel, source) + drain(channel, target)) == [b"%d" % n for n in range(5)]


def test_messages_keep_their_keys_through_an_exchange(cli, channel, declare_queue, name):
    source, target, exchange = declare_queue(), declare_queue(), name("x")
    channel.exchange_declare(exchange, "topic", durable=True)
    channel.queue_bind(source, exchange, "old.#")
    channel.basic_publish(exchange, "old.one", b"m")
    channel.queue_unbind(source, exchange, "old.#")
    channel.queue_bind(target, exchange, "old.#")
    cli("move", source, "", "--exchange", exchange, "--keep-key")
    assert get(channel, target)[0].routing_key == "old.one"
    channel.exchange_delete(exchange)


def fill(connection, queue):
    channel = connection.channel()
    channel.tx_select()
    for n in range(COUNT):
        channel.basic_publish("", queue, b"%d" % n, pika.BasicProperties(delivery_mode=2))
    channel.tx_commit()
    channel.close()


@pytest.mark.parametrize("copied", [1, COUNT // 4])
def test_no_message_is_lost_when_it_is_killed(cli, connect, channel, declare_queue, copied):
    source, target = declare_queue(), declare_queue()
    fill(connect(), source)
    process = cli.start("move", source, target)
    # Without a pause between looks: a fast broker is soon done.
    end = time.monotonic() + 30
    while depth(channel, target) < copied and time.monotonic() < end:
        pass
    killed_under_way = process.poll() is None
    process.kill()
    process.wait(10)

    def settled():
        return channel.queue_declare(source, passive=True).method.consumer_count == 0

    wait_until(settled, 15)
    before = depth(channel, target)
    assert killed_under_way and before < COUNT, "it was done before it could be killed"
    found = collections.Counter(drain(channel, source) + drain(channel, target))
    assert set(found) == {b"%d" % n for n in range(COUNT)}
    # Twice at most what was on its way: copied and not acknowledged yet.
    assert sum(found.values()) - COUNT <= 1000


def test_an_interrupt_ends_it_cleanly(cli, connect, channel, declare_queue):
    source, target = declare_queue(), declare_queue()
    fill(connect(), source)
    process = cli.start("move", source, target)
    wait_until(lambda: depth(channel, target) > 0, 30)
    process.terminate()
    assert process.wait(30) in (0, 1)
    wait_until(lambda: depth(channel, source) + depth(channel, target) == COUNT, 10)
