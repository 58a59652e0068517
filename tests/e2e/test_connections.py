"""Open connections: heartbeats, channels coming and going, new secrets, closing."""

import time

import pika
import pytest
from pamqp import commands, heartbeat

from harness.pika_tools import parameters, wait_until
from harness.raw import RawConnection, frame_bytes


def test_heartbeats_are_sent_at_half_the_time_agreed(broker):
    with RawConnection(broker) as raw:
        raw.open(heartbeat=1)
        octets = raw.receive_bytes(8)
        assert octets == frame_bytes(8, 0, b"")


def test_a_client_that_falls_silent_is_disconnected(broker):
    with RawConnection(broker, seconds=10) as raw:
        raw.open(heartbeat=1)
        began = time.monotonic()
        raw.end()
        assert 1.5 < time.monotonic() - began < 8


def test_any_octets_keep_a_connection(broker):
    with RawConnection(broker) as raw:
        raw.open(heartbeat=1)
        for _ in range(8):
            time.sleep(0.5)
            raw.send(heartbeat.Heartbeat())
        raw.open_channel()


def test_no_heartbeat_means_that_silence_is_fine(broker):
    with RawConnection(broker) as raw:
        raw.open(heartbeat=0)
        time.sleep(3)
        raw.open_channel()


def test_a_channel_number_can_be_used_again(broker):
    with RawConnection(broker) as raw:
        raw.open()
        for _ in range(20):
            raw.open_channel(7)
            raw.ask(commands.Channel.Close(200, "", 0, 0), commands.Channel.CloseOk, 7)


def test_all_channels_agreed_on_can_be_open(broker):
    with RawConnection(broker) as raw:
        raw.open(channel_max=2047)
        for number in range(1, 2048):
            raw.send(commands.Channel.Open(), number)
        for _ in range(2047):
            raw.expect(commands.Channel.OpenOk)


def test_close_is_confirmed(broker):
    with RawConnection(broker) as raw:
        raw.open()
        raw.ask(commands.Connection.Close(200, "bye", 0, 0), commands.Connection.CloseOk)


def test_a_new_secret_is_accepted(connect):
    connection = connect()
    connection.update_secret("guest", "rotated")
    connection.channel().queue_declare("", exclusive=True)


def test_small_frames_carry_large_messages(broker, name):
    connection = pika.BlockingConnection(parameters(broker, frame_max=8192))
    channel = connection.channel()
    queue = channel.queue_declare(name(), exclusive=True).method.queue
    body = bytes(range(256)) * 400
    channel.basic_publish("", queue, body)
    assert channel.basic_get(queue, auto_ack=True)[2] == body
    connection.close()


def test_a_connection_that_breaks_gives_back_what_it_held(broker, channel, name):
    queue = name()
    channel.queue_declare(queue)
    for _ in range(5):
        channel.basic_publish("", queue, b"m")
    with RawConnection(broker) as raw:
        raw.open().open_channel()
        raw.ask(commands.Basic.Consume(queue=queue), commands.Basic.ConsumeOk, 1)
        raw.expect(commands.Basic.Deliver)
    wait_until(lambda: channel.queue_declare(queue, passive=True).method.message_count == 5)
    assert channel.basic_get(queue, auto_ack=True)[0].redelivered
    channel.queue_delete(queue)


@pytest.mark.slow
def test_connections_come_and_go_by_the_hundred(broker):
    for _ in range(5):
        raws = [RawConnection(broker) for _ in range(100)]
        for raw in raws:
            raw.open()
        for raw in raws:
            raw.__exit__()
