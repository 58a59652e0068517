"""What no client library sends: every answer is an error that the protocol names, or a closed connection."""

import random
import re
import struct

import pytest
from pamqp import commands, frame, header

from harness.pika_tools import refusal_of_publish
from harness.raw import RawConnection, frame_bytes

METHOD, HEADER, BODY = 1, 2, 3


@pytest.fixture
def raw(broker):
    with RawConnection(broker) as connection:
        yield connection.open().open_channel()


@pytest.fixture(autouse=True)
def still_serves_others(broker):
    yield
    with RawConnection(broker) as connection:
        connection.open().open_channel()


def method(class_id, method_id, arguments=b""):
    return struct.pack(">HH", class_id, method_id) + arguments


def publish(raw, size=None, channel=1):
    raw.send(commands.Basic.Publish(exchange="", routing_key="nowhere"), channel)
    if size is not None:
        raw.send(header.ContentHeader(body_size=size), channel)


def test_a_frame_larger_than_negotiated_is_a_frame_error(raw):
    raw.send_bytes(struct.pack(">BHI", BODY, 1, 131081) + b"x" * 1024)
    code, text = raw.refusal()
    assert code == 501
    assert text.startswith("FRAME_ERROR - type 3, ") and "frame_too_large" in text


def test_a_wrong_end_octet_is_a_frame_error(raw):
    raw.send_bytes(frame_bytes(METHOD, 1, method(20, 10, b"\0"), end=b"\0"))
    code, text = raw.refusal()
    assert code == 501
    assert re.fullmatch(r"FRAME_ERROR - type 1, (first 16|all) octets = <<.*>>: {invalid_frame_end_marker,0}", text)


def test_an_unknown_frame_type_ends_the_connection(raw):
    raw.send_bytes(frame_bytes(7, 1, b"what is this"))
    assert raw.refusal()[0] in (501, 503, 505)


def test_an_unknown_class_or_method_ends_the_connection(raw):
    raw.send_bytes(frame_bytes(METHOD, 1, method(99, 99)))
    assert code_of(raw.end()) in (501, 503, 540, 541, None)


def code_of(end):
    return end and end[0]


@pytest.mark.parametrize(
    "arguments",
    [b"", b"\0\0\xff", b"\0\0\x01q\0\xff\xff\xff\xff", b"\0\0\x01q\0\0\0\0\x09\x01kZ\0\0\0\0\0\0"],
    ids=["nothing", "a name cut short", "a table longer than the frame", "an unknown type in a table"],
)
def test_arguments_that_cannot_be_read_end_the_connection(raw, arguments):
    raw.send_bytes(frame_bytes(METHOD, 1, method(50, 10, arguments)))
    assert code_of(raw.end()) in (501, 502, 503, 541, None)


def test_a_table_nested_too_deeply_is_refused_or_read_but_never_fatal(raw):
    table = b""
    for _ in range(6000):
        table = b"\x01kF" + struct.pack(">I", len(table)) + table
    raw.send_bytes(frame_bytes(METHOD, 1, method(50, 10, b"\0\0\x00\x08" + struct.pack(">I", len(table)) + table)))
    assert raw.receive() is not None


def test_a_method_between_publish_and_its_header_is_unexpected(raw):
    publish(raw)
    raw.send(commands.Basic.Qos(0, 1), 1)
    code, text = raw.refusal()
    assert code == 505
    assert text == "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead"


def test_a_header_of_another_class_is_unexpected(raw):
    publish(raw)
    raw.send_bytes(frame_bytes(HEADER, 1, struct.pack(">HHQH", 50, 0, 0, 0)))
    assert raw.refusal() == (
        505,
        "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead",
    )


def test_a_body_without_its_method_is_unexpected(raw):
    raw.send_bytes(frame_bytes(BODY, 1, b"surprise"))
    assert raw.refusal() == (505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead")


def test_a_method_instead_of_the_body_is_unexpected(raw):
    publish(raw, size=10)
    raw.send(commands.Basic.Qos(0, 1), 1)
    assert raw.refusal() == (505, "UNEXPECTED_FRAME - expected content body, got non content body frame instead")


@pytest.mark.differs_from_310("waits for what cannot come")
def test_a_body_longer_than_its_header_said_ends_the_connection(raw):
    publish(raw, size=3)
    raw.send_bytes(frame_bytes(BODY, 1, b"four"))
    assert raw.refusal()[0] in (501, 505)


def test_properties_that_cannot_be_read_end_the_connection(raw):
    publish(raw)
    raw.send_bytes(frame_bytes(HEADER, 1, struct.pack(">HHQH", 60, 0, 0, 0xFFFC) + b"\xff"))
    assert code_of(raw.end()) in (501, 502, 541, None)


def test_a_message_beyond_the_maximum_size_is_refused(channel):
    code, text = refusal_of_publish(channel, "", "nowhere", b"x" * ((16 << 20) + 1))
    assert code == 406
    assert text == "PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216"


def test_empty_bodies_and_empty_body_frames_are_fine(raw):
    publish(raw, size=0)
    publish(raw, size=3)
    for part in (b"", b"a", b"", b"bc"):
        raw.send_bytes(frame_bytes(BODY, 1, part))
    raw.ask(commands.Basic.Qos(0, 1), commands.Basic.QosOk, 1)


def test_frames_cut_at_every_octet_are_put_together(broker):
    with RawConnection(broker) as raw:
        raw.open()
        for octet in frame.marshal(commands.Channel.Open(), 1):
            raw.send_bytes(bytes([octet]))
        raw.expect(commands.Channel.OpenOk)


def test_a_connection_cut_in_the_middle_of_a_message_leaves_nothing_behind(broker, name, channel):
    queue = name()
    channel.queue_declare(queue)
    with RawConnection(broker) as raw:
        raw.open().open_channel()
        raw.send(commands.Basic.Publish(exchange="", routing_key=queue), 1)
        raw.send(header.ContentHeader(body_size=100), 1)
        raw.send_bytes(frame_bytes(BODY, 1, b"half of it"))
    assert channel.queue_declare(queue, passive=True).method.message_count == 0
    channel.queue_delete(queue)


def test_random_octets_end_the_connection_and_nothing_else(broker):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    prng = random.Random(seed)
    for round_number in range(40):
        with RawConnection(broker) as raw:
            if round_number % 2:
                raw.open().open_channel()
            octets = bytearray(frame.marshal(commands.Queue.Declare(queue="q", passive=True, arguments={"k": "v"}), 1))
            for _ in range(1 + prng.randrange(8)):
                octets[prng.randrange(len(octets))] = prng.randrange(256)
            try:
                raw.send_bytes(bytes(octets))
                raw.send_bytes(prng.randbytes(64))
            except OSError:
                pass  # it has been closed already
