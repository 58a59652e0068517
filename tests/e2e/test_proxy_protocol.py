"""The PROXY protocol: from whom it is believed, and what the loopback rule makes of it."""

import base64
import socket
import ssl
import struct

import pytest
from pamqp import commands

from harness.certificates import Authority, options
from harness.definitions import permission, user
from harness.pika_tools import wait_until
from harness.raw import PROTOCOL_HEADER, RawConnection

pytestmark = pytest.mark.millrace_only("its options are ours")

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
DEFINITIONS = {"users": [user("ann", tags=["administrator"])], "permissions": [permission("ann")]}


def version1(source, port=4711):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {'::1' if family == 'TCP6' else '127.0.0.1'} {port} 5672\r\n".encode()


def version2(source, port=4711, extensions=b""):
    body = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", port, 5672) + extensions
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(body)) + body


LOCAL = SIGNATURE + b"\x20\x00\0\0"


@pytest.fixture
def proxied(own_broker):
    def start(*more):
        return own_broker(
            options=["--http", "127.0.0.1:0", "--proxy-protocol-from", "127.0.0.1", *more], definitions=DEFINITIONS
        )

    return start


def login(broker, header, name="ann", wrap=None, port=None):
    """Whether `name` gets in behind the header; None: the broker says nothing at all."""
    raw = RawConnection(broker)
    if port:
        raw.socket.close()
        raw.socket = socket.create_connection((broker.host, port), 5)
    with raw:
        raw.send_bytes(header)
        if wrap:
            raw.socket = wrap(raw.socket)
        raw.send_bytes(PROTOCOL_HEADER)
        start = raw.receive()
        if start is None:
            return None
        raw.login("PLAIN", f"\0{name}\0{name}")
        answer = raw.receive()
        if not isinstance(answer, commands.Connection.Tune):
            return False
        raw.send(commands.Connection.TuneOk(2047, 131072, 0))
        raw.ask(commands.Connection.Open("/"), commands.Connection.OpenOk)
        if name == "ann":
            listed = wait_until(lambda: ask(broker, "/api/connections", version1("127.0.0.1")))
            return listed
        return True


def ask(broker, path, header, name="ann"):
    with socket.create_connection((broker.host, broker.http_port), 5) as raw:
        credentials = base64.b64encode(f"{name}:{name}".encode()).decode()
        raw.sendall(
            header
            + f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic {credentials}\r\n\r\n".encode()
        )
        answer = b""
        try:
            while part := raw.recv(65536):
                answer += part
        except ConnectionResetError:  # closed with the request unread
            pass
    return answer.decode()


@pytest.mark.parametrize(
    "source, header",
    [
        ("192.0.2.7", version1("192.0.2.7")),
        ("192.0.2.7", version2("192.0.2.7")),
        ("192.0.2.7", version2("192.0.2.7", extensions=b"\x04\0\x01x")),
        ("2001:db8::1", version1("2001:db8::1")),
    ],
    ids=["1", "2", "2 with extensions", "1 of IPv6"],
)
def test_the_peer_is_whom_the_proxy_names(proxied, source, header):
    listed = login(proxied(), header)
    assert f'"peer_host":"{source}"' in listed and '"peer_port":4711' in listed


def test_guest_comes_from_loopback_whatever_the_address_of_the_proxy(proxied):
    broker = proxied()
    assert login(broker, version1("192.0.2.7"), "guest") is False
    assert login(broker, version2("192.0.2.7"), "guest") is False
    assert login(broker, version1("127.0.0.1"), "guest") is True
    # Who is not named is not known to be near.
    assert login(broker, LOCAL, "guest") is False
    assert login(broker, b"PROXY UNKNOWN\r\n", "guest") is False
    assert "HTTP/1.1 401" in ask(broker, "/api/whoami", version1("192.0.2.7"), "guest")
    assert "HTTP/1.1 200" in ask(broker, "/api/whoami", version2("127.0.0.1"), "guest")
    assert "HTTP/1.1 401" in ask(broker, "/api/whoami", LOCAL, "guest")


def test_a_proxy_must_say_for_whom_it_connects(proxied):
    broker = proxied()
    assert login(broker, b"") is None
    assert login(broker, b"PROXY TCP4 nonsense\r\n") is None
    wait_until(lambda: "does not begin with a PROXY header" in broker.log_tail())
    assert ask(broker, "/api/whoami", b"") == ""


def test_a_header_from_anybody_else_is_not_believed(own_broker):
    broker = own_broker(
        options=["--http", "127.0.0.1:0", "--proxy-protocol-from", "192.0.2.0/24"], definitions=DEFINITIONS
    )
    with RawConnection(broker) as raw:
        raw.send_bytes(version1("192.0.2.7"))
        assert raw.receive_bytes(100) == PROTOCOL_HEADER  # what the broker says to those who speak something else
    assert "HTTP/1.1 400" in ask(broker, "/api/whoami", version1("127.0.0.1"))


def test_the_header_comes_before_tls(own_broker, tmp_path):
    authority = Authority(tmp_path)
    certificate = authority.vouch("localhost", "DNS:localhost")
    broker = own_broker(
        options=options(certificate, "--proxy-protocol-from", "127.0.0.0/8"), definitions=DEFINITIONS
    )

    def wrap(plain):
        return authority.client().wrap_socket(plain, server_hostname="localhost")

    for header in (version1("192.0.2.7"), version2("192.0.2.7")):
        listed = login(broker, header, wrap=wrap, port=broker.ready_port("amqps"))
        assert '"peer_host":"192.0.2.7"' in listed and '"ssl":true' in listed
    with pytest.raises((ssl.SSLError, ConnectionError)):
        login(broker, b"", wrap=wrap, port=broker.ready_port("amqps"))
    plain = socket.create_connection((broker.host, broker.ready_port("https")), 5)
    plain.sendall(version2("127.0.0.1"))
    with wrap(plain) as secured:
        secured.sendall(b"GET /api/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YW5uOmFubg==\r\n\r\n")
        assert secured.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_header_that_comes_byte_by_byte_is_waited_for_and_one_that_does_not_end_is_not(proxied):
    broker = proxied("--handshake-timeout", "500")
    with RawConnection(broker) as raw:
        for octet in version2("192.0.2.7"):
            raw.send_bytes(bytes([octet]))
        raw.start()
    with RawConnection(broker) as raw:
        raw.send_bytes(b"PROXY TCP4 ")
        assert raw.receive_bytes(1) == b""
    wait_until(lambda: "has not said for whom it connects" in broker.log_tail())
