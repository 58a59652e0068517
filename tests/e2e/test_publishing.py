"""Confirms, returns and transactions: what a publisher is told."""

import datetime
import decimal

import pika
import pytest
from pamqp import body, commands, header

from harness.pika_tools import Inbox, depth, drain, get, refusal, wait_for_depth
from harness.raw import RawConnection


@pytest.fixture
def raw(broker):
    with RawConnection(broker) as connection:
        yield connection.open().open_channel()


def publish(raw, key, payload=b"m", mandatory=False, exchange=""):
    raw.send(commands.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory), 1)
    raw.send(header.ContentHeader(body_size=len(payload)), 1)
    if payload:
        raw.send(body.ContentBody(payload), 1)


def confirmed_up_to(raw, last):
    """Reads acks, single or multiple, until all tags from 1 to `last` are confirmed once."""
    open_tags = set(range(1, last + 1))
    while open_tags:
        ack = raw.expect(commands.Basic.Ack)
        if ack.multiple:
            assert ack.delivery_tag in open_tags
            open_tags = {tag for tag in open_tags if tag > ack.delivery_tag}
        else:
            open_tags.remove(ack.delivery_tag)


def test_every_publish_is_confirmed_exactly_once(raw, name):
    queue = name()
    raw.ask(commands.Queue.Declare(queue=queue, durable=True), commands.Queue.DeclareOk, 1)
    raw.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)
    for _ in range(200):
        publish(raw, queue)
    confirmed_up_to(raw, 200)
    raw.ask(commands.Queue.Delete(queue=queue), commands.Queue.DeleteOk, 1)


def test_selecting_confirms_twice_keeps_counting(raw):
    raw.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)
    publish(raw, "nowhere")
    assert raw.expect(commands.Basic.Ack).delivery_tag == 1
    raw.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)
    publish(raw, "nowhere")
    assert raw.expect(commands.Basic.Ack).delivery_tag == 2


def test_an_unroutable_message_is_confirmed(raw):
    raw.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)
    publish(raw, "nowhere")
    assert raw.expect(commands.Basic.Ack).delivery_tag == 1


def test_a_mandatory_message_is_returned_before_it_is_confirmed(raw):
    raw.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)
    publish(raw, "nowhere", b"come back", mandatory=True, exchange="amq.direct")
    returned = raw.expect(commands.Basic.Return)
    assert (returned.reply_code, returned.reply_text) == (312, "NO_ROUTE")
    assert (returned.exchange, returned.routing_key) == ("amq.direct", "nowhere")
    raw.expect(header.ContentHeader)
    assert raw.expect(body.ContentBody).value == b"come back"
    assert raw.expect(commands.Basic.Ack).delivery_tag == 1


def test_a_returned_message_keeps_its_properties(channel):
    returned = []
    channel.add_on_return_callback(lambda *parts: returned.append(parts))
    properties = pika.BasicProperties(content_type="text/plain", headers={"a": 1}, message_id="7")
    channel.basic_publish("", "nowhere", b"back", properties, mandatory=True)
    channel.queue_declare("", exclusive=True)
    channel.connection.process_data_events()
    assert [(parts[2], parts[3]) for parts in returned] == [(properties, b"back")]


def test_a_mandatory_message_that_is_routed_is_not_returned(raw, name):
    queue = name()
    raw.ask(commands.Queue.Declare(queue=queue), commands.Queue.DeclareOk, 1)
    raw.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)
    publish(raw, queue, mandatory=True)
    assert raw.expect(commands.Basic.Ack).delivery_tag == 1
    raw.ask(commands.Queue.Delete(queue=queue), commands.Queue.DeleteOk, 1)


def test_publishes_waiting_on_a_queue_that_is_deleted_are_confirmed(broker, raw, name):
    queue = name()
    raw.ask(commands.Queue.Declare(queue=queue, durable=True), commands.Queue.DeclareOk, 1)
    raw.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)
    for _ in range(50):
        publish(raw, queue)
    with RawConnection(broker) as other:
        other.open().open_channel()
        other.ask(commands.Queue.Delete(queue=queue), commands.Queue.DeleteOk, 1)
    confirmed_up_to(raw, 50)


def test_the_blocking_client_learns_that_a_message_was_unroutable(channel):
    channel.confirm_delivery()
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("", "nowhere", b"", mandatory=True)


def test_messages_of_one_channel_keep_their_order(channel, name):
    queue = name()
    channel.queue_declare(queue)
    bodies = [str(number).encode() for number in range(500)]
    for payload in bodies:
        channel.basic_publish("", queue, payload)
    inbox = Inbox(channel, queue)
    assert inbox.wait(500) == bodies
    channel.queue_delete(queue)


@pytest.mark.parametrize("size", [0, 1, 131064, 131065, 300000, 5 << 20, 16 << 20])
def test_bodies_of_all_sizes_come_back_as_they_were(channel, name, size):
    queue = name()
    channel.queue_declare(queue)
    payload = (bytes(range(256)) * (size // 256 + 1))[:size]
    channel.basic_publish("", queue, payload)
    assert get(channel, queue)[2] == payload
    channel.queue_delete(queue)


def test_properties_and_headers_come_back_as_they_were(channel, name):
    queue = name()
    channel.queue_declare(queue)
    properties = pika.BasicProperties(
        content_type="application/json",
        content_encoding="gzip",
        delivery_mode=2,
        priority=9,
        correlation_id="c-1",
        reply_to="somewhere",
        expiration="60000",
        message_id="m-1",
        timestamp=1234567890,
        type="order",
        app_id="shop",
        cluster_id="c",
        headers={
            "text": "grüße",
            "octets": b"\xff\x00",
            "number": -5,
            "big": 1 << 40,
            "true": True,
            "nothing": None,
            "decimal": decimal.Decimal("1.5"),
            "moment": datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
            "table": {"in": {"in": [1, "two", {"three": 3}]}},
            "": "an empty key",
        },
    )
    channel.basic_publish("", queue, b"", properties)
    assert get(channel, queue)[1] == properties
    channel.queue_delete(queue)


def test_a_transaction_publishes_and_settles_only_at_its_commit(channel, connect, name):
    queue = name()
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"old")
    other = connect().channel()
    wait_for_depth(other, queue, 1)
    channel.tx_select()
    channel.basic_ack(channel.basic_get(queue)[0].delivery_tag)
    channel.basic_publish("", queue, b"new")
    assert depth(other, queue) == 0
    channel.tx_commit()
    wait_for_depth(other, queue, 1)
    assert drain(other, queue) == [b"new"]
    channel.queue_delete(queue)


def test_a_transaction_rolled_back_has_done_nothing(channel, connect, name):
    queue = name()
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"old")
    other = connect().channel()
    wait_for_depth(other, queue, 1)
    channel.tx_select()
    tag = channel.basic_get(queue)[0].delivery_tag
    channel.basic_ack(tag)
    channel.basic_publish("", queue, b"new")
    channel.tx_rollback()
    assert depth(other, queue) == 0
    channel.basic_nack(tag)
    channel.tx_commit()
    wait_for_depth(other, queue, 1)
    assert drain(other, queue) == [b"old"]
    channel.queue_delete(queue)


def test_a_transaction_left_open_is_rolled_back_with_its_channel(connect, name):
    queue = name()
    connection, other = connect(), connect().channel()
    other.queue_declare(queue)
    channel = connection.channel()
    channel.tx_select()
    channel.basic_publish("", queue, b"never")
    channel.close()
    assert depth(other, queue) == 0
    other.queue_delete(queue)


def test_mandatory_messages_of_a_transaction_are_returned_at_its_commit(channel):
    returned = []
    channel.add_on_return_callback(lambda *parts: returned.append(parts[3]))
    channel.tx_select()
    channel.basic_publish("", "nowhere", b"back", mandatory=True)
    channel.connection.process_data_events(time_limit=0.2)
    assert returned == []
    channel.tx_commit()
    channel.connection.process_data_events(time_limit=0.2)
    assert returned == [b"back"]


def test_an_internal_exchange_takes_no_message_from_a_client(channel, connect, name):
    exchange = name("internal")
    channel.exchange_declare(exchange, "fanout", internal=True)

    def publish_to_it():
        publisher = connect().channel()
        publisher.basic_publish(exchange, "", b"")
        publisher.queue_declare("", exclusive=True)

    assert refusal(publish_to_it) == (
        403,
        f"ACCESS_REFUSED - cannot publish to internal exchange '{exchange}' in vhost '/'",
    )
    channel.exchange_delete(exchange)
