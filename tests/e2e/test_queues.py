"""Declaring, redeclaring and deleting queues, and how long each kind of them lives."""

import re
import struct

import pika
import pytest
from pamqp import commands

from harness.pika_tools import Inbox, depth, refusal, wait_until
from harness.raw import RawConnection, frame_bytes


def exists(connection, queue):
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
        channel.close()
        return True
    except pika.exceptions.ChannelClosedByBroker:
        return False


def is_gone(connection, queue):
    """And not only locked by another connection."""
    code, _ = refusal(connection.channel().queue_declare, queue, passive=True)
    assert code in (404, 405)
    return code == 404


def inequivalent(queue, argument, difference):
    return 406, f"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue '{queue}' in vhost '/': {difference}"


def test_a_server_named_queue_has_a_random_name(channel):
    names = {channel.queue_declare("", exclusive=True).method.queue for _ in range(20)}
    assert len(names) == 20
    assert all(re.fullmatch(r"amq\.gen-[A-Za-z0-9_-]{22}", name) for name in names)


def test_declare_tells_messages_and_consumers(channel, name):
    queue = name()
    channel.queue_declare(queue)
    for _ in range(3):
        channel.basic_publish("", queue, b"")
    wait_until(lambda: depth(channel, queue) == 3)
    Inbox(channel, queue, auto_ack=False)
    told = channel.queue_declare(queue).method
    assert told.queue == queue
    assert told.consumer_count == 1
    channel.queue_delete(queue)


def test_declaring_the_same_again_is_fine(channel, name):
    queue = name()
    arguments = {"x-max-length": 10, "x-message-ttl": 60000}
    channel.queue_declare(queue, durable=True, arguments=arguments)
    channel.queue_declare(queue, durable=True, arguments=arguments)
    channel.queue_delete(queue)


@pytest.mark.parametrize(
    "first, second, argument, difference",
    [
        ({}, {"durable": True}, "durable", "received 'true' but current is 'false'"),
        ({"durable": True}, {}, "durable", "received 'false' but current is 'true'"),
        ({}, {"auto_delete": True}, "auto_delete", "received 'true' but current is 'false'"),
        (
            {},
            {"arguments": {"x-max-length": 1000}},
            "x-max-length",
            "received the value '1000' of type 'signedint' but current is none",
        ),
        (
            {"arguments": {"x-max-length": 1000}},
            {},
            "x-max-length",
            "received none but current is the value '1000' of type 'signedint'",
        ),
        (
            {"arguments": {"x-dead-letter-exchange": "a"}},
            {"arguments": {"x-dead-letter-exchange": "b"}},
            "x-dead-letter-exchange",
            "received 'b' but current is 'a'",
        ),
        (
            {"arguments": {"x-message-ttl": 60000}},
            {"arguments": {"x-message-ttl": 60001}},
            "x-message-ttl",
            "received '60001' but current is '60000'",
        ),
    ],
)
def test_declaring_it_differently_is_refused(channel, connect, name, first, second, argument, difference):
    queue = name()
    channel.queue_declare(queue, **first)
    code, text = refusal(connect().channel().queue_declare, queue, **second)
    assert (code, text) == tuple(cut(part) for part in inequivalent(queue, argument, difference))
    channel.queue_delete(queue)


def cut(part):
    return part[:252] + "..." if isinstance(part, str) and len(part) > 255 else part


def test_an_exclusive_queue_declared_again_as_shared_is_refused(channel, name):
    queue = name()
    channel.queue_declare(queue, exclusive=True)
    code, _ = refusal(channel.queue_declare, queue)
    assert code in (405, 406)


def test_numbers_are_compared_by_value_not_by_width(channel, name):
    queue = name()
    channel.queue_declare(queue, arguments={"x-expires": 600000})
    channel.queue_declare(queue, arguments={"x-expires": pika.compat.long(600000)})
    channel.queue_delete(queue)


def test_arguments_that_no_queue_knows_are_ignored(channel, name):
    queue = name()
    channel.queue_declare(queue, arguments={"x-of-our-own": "a"})
    channel.queue_declare(queue, arguments={"x-of-our-own": "b"})
    channel.queue_declare(queue)
    channel.queue_delete(queue)


def test_line_breaks_in_names_are_stripped(broker, name):
    queue = name()
    with RawConnection(broker) as raw:
        raw.open().open_channel()
        broken = (queue[:5] + "\r\n" + queue[5:]).encode()
        exclusive, no_arguments = b"\x04", bytes(4)
        declare = struct.pack(">HHHB", 50, 10, 0, len(broken)) + broken + exclusive + no_arguments
        raw.send_bytes(frame_bytes(1, 1, declare))
        assert raw.expect(commands.Queue.DeclareOk).queue == queue


def test_names_may_hold_any_utf8(channel, name):
    queue = name("длинное имя 队列 🐇")
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"m")
    wait_until(lambda: depth(channel, queue) == 1)
    channel.queue_delete(queue)


def test_an_exclusive_queue_goes_with_its_connection(connect, name):
    queue = name()
    owner, other = connect(), connect()
    owner.channel().queue_declare(queue, exclusive=True)
    owner.close()
    assert is_gone(other, queue)  # at once: it is deleted before close-ok is sent


def test_exclusive_queues_go_with_connections_that_end_before_the_answer(broker, connect, name):
    queues = [name() for _ in range(60)]
    for queue in queues:
        with RawConnection(broker) as connection:
            connection.open().open_channel()
            connection.send(commands.Queue.Declare(queue=queue, exclusive=True), 1)
    other = connect()
    wait_until(lambda: all(is_gone(other, queue) for queue in queues))


def test_an_exclusive_queue_that_was_not_deleted_goes_with_its_connection(connect, name):
    queue, owner, other = name(), connect(), connect()
    channel = owner.channel()
    channel.queue_declare(queue, exclusive=True)
    channel.basic_consume(queue, lambda *_: None)
    assert refusal(lambda: channel.queue_delete(queue, if_unused=True))[0] == 406
    owner.close()
    wait_until(lambda: is_gone(other, queue))


def test_an_exclusive_queue_outlives_its_channel(connect, name):
    connection, queue = connect(), name()
    channel = connection.channel()
    channel.queue_declare(queue, exclusive=True)
    channel.close()
    assert exists(connection, queue)


def test_an_auto_delete_queue_goes_with_its_last_consumer(connect, name):
    connection, queue = connect(), name()
    channel = connection.channel()
    channel.queue_declare(queue, auto_delete=True)
    first, second = Inbox(channel, queue), Inbox(channel, queue)
    channel.basic_cancel(first.tag)
    assert exists(connection, queue)
    channel.basic_cancel(second.tag)
    wait_until(lambda: not exists(connection, queue))


def test_an_auto_delete_queue_without_a_consumer_stays(connect, name):
    connection, queue = connect(), name()
    connection.channel().queue_declare(queue, auto_delete=True)
    assert exists(connection, queue)
    connection.channel().queue_delete(queue)


def test_an_auto_delete_queue_goes_when_its_consumers_channel_closes(connect, name):
    connection, queue = connect(), name()
    channel = connection.channel()
    channel.queue_declare(queue, auto_delete=True)
    Inbox(channel, queue)
    channel.close()
    wait_until(lambda: not exists(connection, queue))


def test_delete_tells_how_many_messages_went_with_it(channel, name):
    queue = name()
    channel.queue_declare(queue)
    for _ in range(4):
        channel.basic_publish("", queue, b"")
    wait_until(lambda: depth(channel, queue) == 4)
    assert channel.queue_delete(queue).method.message_count == 4


def test_deleting_what_is_not_there_is_fine(channel, name):
    assert channel.queue_delete(name()).method.message_count == 0
    channel.exchange_delete(name())


def test_a_queue_in_use_is_kept_if_asked(connect, name):
    queue = name()
    channel = connect().channel()
    channel.queue_declare(queue)
    Inbox(channel, queue)
    assert refusal(connect().channel().queue_delete, queue, if_unused=True) == (
        406,
        f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use",
    )
    channel.queue_delete(queue)


def test_a_queue_with_messages_is_kept_if_asked(connect, name):
    queue = name()
    channel = connect().channel()
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"")
    wait_until(lambda: depth(channel, queue) == 1)
    assert refusal(connect().channel().queue_delete, queue, if_empty=True) == (
        406,
        f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty",
    )
    channel.queue_delete(queue)


def test_purge_removes_what_is_ready_and_keeps_what_is_unacknowledged(channel, name):
    queue = name()
    channel.queue_declare(queue)
    for number in range(5):
        channel.basic_publish("", queue, str(number))
    tag = channel.basic_get(queue)[0].delivery_tag
    assert channel.queue_purge(queue).method.message_count == 4
    channel.basic_nack(tag)
    wait_until(lambda: depth(channel, queue) == 1)
    assert channel.basic_get(queue)[2] == b"0"
    channel.queue_delete(queue)


def test_an_unused_queue_expires(connect, name):
    connection, queue = connect(), name()
    connection.channel().queue_declare(queue, arguments={"x-expires": 300})
    assert exists(connection, queue)
    checker = connection.channel()
    checker.close()
    wait_until_quiet_and_gone(connection, queue)


def wait_until_quiet_and_gone(connection, queue):
    connection.sleep(0.9)  # asking would be use, which starts its time anew
    assert not exists(connection, queue)


def test_a_queue_with_a_consumer_does_not_expire(connect, name):
    connection, queue = connect(), name()
    channel = connection.channel()
    channel.queue_declare(queue, arguments={"x-expires": 200})
    Inbox(channel, queue)
    connection.sleep(0.6)
    assert exists(connection, queue)
    channel.queue_delete(queue)


@pytest.mark.parametrize(
    "arguments, reason",
    [
        pytest.param(
            {"x-expires": "soon"},
            "invalid arg 'x-expires' for queue '{}' in vhost '/': {{unacceptable_type,longstr}}",
            marks=pytest.mark.differs_from_310("writes: expected integer, got longstr"),
        ),
        ({"x-expires": 0}, "invalid arg 'x-expires' for queue '{}' in vhost '/': {{value_zero,0}}"),
        ({"x-expires": -1}, "invalid arg 'x-expires' for queue '{}' in vhost '/': {{value_negative,-1}}"),
        ({"x-message-ttl": -1}, "invalid arg 'x-message-ttl' for queue '{}' in vhost '/': {{value_negative,-1}}"),
        ({"x-max-length": -1}, "invalid arg 'x-max-length' for queue '{}' in vhost '/': {{value_negative,-1}}"),
        (
            {"x-max-priority": 256},
            "invalid arg 'x-max-priority' for queue '{}' in vhost '/': {{max_value_exceeded,256}}",
        ),
        (
            {"x-dead-letter-routing-key": "k"},
            "invalid arg 'x-dead-letter-routing-key' for queue '{}' in vhost '/': routing_key_but_no_dlx_defined",
        ),
        ({"x-overflow": "explode"}, "invalid arg 'x-overflow' for queue '{}' in vhost '/': invalid_overflow"),
    ],
    ids=lambda value: next(iter(value.items())).__repr__() if isinstance(value, dict) else "",
)
def test_a_bad_argument_is_refused_with_its_reason(channel, name, arguments, reason):
    queue = name("q")[-40:]
    assert refusal(channel.queue_declare, queue, arguments=arguments) == (
        406,
        "PRECONDITION_FAILED - " + reason.format(queue),
    )


def test_an_unknown_queue_type_is_refused(channel, name):
    code, _ = refusal(channel.queue_declare, name(), durable=True, arguments={"x-queue-type": "psychic"})
    assert code == 406


@pytest.mark.millrace_only("the peer has streams")
def test_a_stream_is_not_implemented_yet(channel, name):
    code, text = refusal(channel.queue_declare, name(), durable=True, arguments={"x-queue-type": "stream"})
    assert code == 540
    assert text.startswith("NOT_IMPLEMENTED - ") and "stream" in text


def test_old_queue_modes_are_accepted_and_ignored(channel, name):
    queue = name()
    channel.queue_declare(queue, arguments={"x-queue-mode": "lazy"})
    channel.queue_delete(queue)
