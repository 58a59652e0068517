"""A fast client: many requests under way at once, and ends that are not clean."""

import os
import socket
import struct
import sys
import time

from pamqp import commands, frame
from pamqp.header import ContentHeader

from harness.raw import RawConnection, frame_bytes, plain

# Basic.Cancel, of the broker: the queue of a consumer is gone.
PUSHED = (
    commands.Basic.Deliver,
    commands.Basic.Return,
    commands.Basic.Ack,
    commands.Basic.Nack,
    commands.Basic.Cancel,
)
BODY_FRAME = 100_000


def content(exchange, key, body, channel=1, mandatory=False, **properties):
    """A publish as it goes over the wire."""
    octets = frame.marshal(commands.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory), channel)
    octets += frame.marshal(ContentHeader(0, len(body), commands.Basic.Properties(**properties)), channel)
    pieces = [frame_bytes(3, channel, body[at : at + BODY_FRAME]) for at in range(0, len(body), BODY_FRAME)]
    return octets + b"".join(pieces)


class Pace:
    """Leaves the processors to others for a part of the time."""

    def __init__(self, duty):
        self.duty = duty
        self.since = time.monotonic()

    def __call__(self):
        worked = time.monotonic() - self.since
        if worked > 0.02:
            if self.duty < 1:
                time.sleep(min(2.0, worked * (1 / self.duty - 1)))
            self.since = time.monotonic()


class Wire(RawConnection):
    def __init__(self, broker, pace, user="guest", password="guest", vhost="/", source=None, opened=True):
        self.pace = pace
        self.pushed = []  # methods that nobody asked for
        self.bodies = 0  # octets
        self.buffer = bytearray()
        where = (source, 0) if source else None
        self.socket = socket.create_connection((broker.host, broker.port), 30, source_address=where)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if opened:
            self.start()
            self.login(response=plain(user, password))
            self.expect(commands.Connection.Tune)
            self.send(commands.Connection.TuneOk(2047, 131072, 0))
            self.ask(commands.Connection.Open(vhost), commands.Connection.OpenOk)
            self.open_channel(1)

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.socket.close()

    def receive_bytes(self, size):
        while len(self.buffer) < size:
            try:
                part = self.socket.recv(262144)
            except ConnectionResetError:
                part = b""
            if not part:
                break
            self.buffer += part
        octets = bytes(self.buffer[:size])
        del self.buffer[:size]
        return octets

    def answer(self):
        """The next method that is an answer; what the broker sends by itself is kept aside."""
        while True:
            value = self.receive()
            if value is None:
                raise AssertionError("the connection ended")
            if isinstance(value, (commands.Channel.Close, commands.Connection.Close)):
                raise AssertionError(f"{value.reply_code} {value.reply_text}")
            if isinstance(value, PUSHED):
                self.pushed.append(value)
            elif isinstance(value, ContentHeader):
                self.bodies += value.body_size
            elif value.name != "ContentBody":
                return value

    def ask_all(self, requests, channel=1, window=100):
        """The answers, in order."""
        answers, waiting, octets = [], 0, []
        for request in requests:
            octets.append(frame.marshal(request, channel))
            waiting += 1
            if waiting == window:
                self.send_bytes(b"".join(octets))
                answers += [self.answer() for _ in range(waiting)]
                waiting, octets = 0, []
                self.pace()
        self.send_bytes(b"".join(octets))
        answers += [self.answer() for _ in range(waiting)]
        self.pace()
        return answers

    def send_all(self, pieces, together=262144):
        """Octets of many publishes."""
        octets = bytearray()
        for piece in pieces:
            octets += piece
            if len(octets) >= together:
                self.send_bytes(octets)
                octets = bytearray()
                self.pace()
        self.send_bytes(octets)
        self.pace()

    def confirm(self):
        self.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 1)

    def wait_for_confirms(self, last):
        """Up to the publish of that number."""
        reached = 0
        while reached < last:
            value = self.receive()
            if value is None or isinstance(value, (commands.Channel.Close, commands.Connection.Close)):
                raise AssertionError(f"no confirm of {last}: {getattr(value, 'reply_text', value)}")
            if isinstance(value, (commands.Basic.Ack, commands.Basic.Nack)):
                reached = max(reached, value.delivery_tag)

    def deliveries(self, count):
        """Waits until so many have come since the last call."""
        while sum(isinstance(one, commands.Basic.Deliver) for one in self.pushed) < count:
            value = self.receive()
            if value is None or isinstance(value, (commands.Channel.Close, commands.Connection.Close)):
                raise AssertionError(f"no delivery: {getattr(value, 'reply_text', value)}")
            self.pushed.append(value)
        found = [one for one in self.pushed if isinstance(one, commands.Basic.Deliver)]
        self.pushed.clear()
        return found

    def close(self):
        self.send(commands.Connection.Close(200, "", 0, 0))
        while (value := self.receive()) is not None and not isinstance(value, commands.Connection.CloseOk):
            pass
        self.socket.close()

    def abort(self):
        """A reset instead of an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def say(text):
    print(text, file=sys.stderr, flush=True)


def body(size):
    """Bytes that do not compress and are cheap to have."""
    piece = os.urandom(min(size, 4096))
    return (piece * (size // len(piece) + 1))[:size] if size else b""
