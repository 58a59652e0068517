"""A socket that speaks AMQP frame by frame, for what well-behaved clients never do."""

import socket
import struct

from pamqp import commands, frame, heartbeat

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
END = b"\xce"

CAPABILITIES = {"authentication_failure_close": True, "connection.blocked": True, "consumer_cancel_notify": True}


def plain(user="guest", password="guest"):
    return f"\0{user}\0{password}"


def frame_bytes(kind, channel, payload, end=END):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


class RawConnection:
    def __init__(self, broker, seconds=5):
        self.socket = socket.create_connection((broker.host, broker.port), seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_bytes(self, octets):
        self.socket.sendall(octets)

    def send(self, value, channel=0):
        self.send_bytes(frame.marshal(value, channel))

    def receive_bytes(self, size):
        """Exactly `size` octets, or fewer when the broker closed the connection."""
        octets = b""
        while len(octets) < size:
            try:
                part = self.socket.recv(size - len(octets))
            except ConnectionResetError:
                break
            if not part:
                break
            octets += part
        return octets

    def receive(self):
        """The next frame that is no heartbeat, or None at the end of the connection."""
        while True:
            head = self.receive_bytes(7)
            if len(head) < 7:
                return None
            rest = self.receive_bytes(struct.unpack(">I", head[3:])[0] + 1)
            _, self.channel, value = frame.unmarshal(head + rest)
            if not isinstance(value, heartbeat.Heartbeat):
                return value

    def expect(self, kind):
        value = self.receive()
        assert isinstance(value, kind), f"expected {kind.__name__}, not {describe(value)}"
        return value

    def ask(self, request, answer, channel=0):
        self.send(request, channel)
        return self.expect(answer)

    def expect_end(self):
        """The broker closes the connection without a further word."""
        value = self.receive()
        assert value is None, f"expected the end, not {describe(value)}"

    def refusal(self):
        """Reads up to the close of a channel or the connection: its (code, text)."""
        while True:
            value = self.receive()
            assert value is not None, "the connection ended without connection.close"
            if isinstance(value, (commands.Connection.Close, commands.Channel.Close)):
                return value.reply_code, value.reply_text

    def end(self):
        """How the connection ends: the (code, text) of its connection.close, or None where it just ends."""
        while (value := self.receive()) is not None:
            if isinstance(value, commands.Connection.Close):
                return value.reply_code, value.reply_text
        return None

    def start(self):
        self.send_bytes(PROTOCOL_HEADER)
        return self.expect(commands.Connection.Start)

    def login(self, mechanism="PLAIN", response=plain(), capabilities=None):
        """Sends start-ok; what comes next is the caller's to read."""
        properties = {"product": "raw", "capabilities": CAPABILITIES if capabilities is None else capabilities}
        self.send(commands.Connection.StartOk(properties, mechanism, response, "en_US"))

    def tune(self, channel_max=2047, frame_max=131072, heartbeat=0):
        self.start()
        self.login()
        self.expect(commands.Connection.Tune)
        self.send(commands.Connection.TuneOk(channel_max, frame_max, heartbeat))

    def open(self, vhost="/", **tuning):
        self.tune(**tuning)
        self.ask(commands.Connection.Open(vhost), commands.Connection.OpenOk)
        return self

    def open_channel(self, number=1):
        self.ask(commands.Channel.Open(), commands.Channel.OpenOk, number)
        return self


def describe(value):
    if isinstance(value, (commands.Connection.Close, commands.Channel.Close)):
        return f"{value.name} {value.reply_code} {value.reply_text}"
    return getattr(value, "name", repr(value))
