"""One test for each class of vulnerability that brokers have had, where no other file has it.

The classes, what they are like in the wild and where each is tested: docs/security.md, "Classes of vulnerabilities".
"""

import base64
import gzip
import http.client
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import time

import pika
import pytest
from pamqp import commands

from harness.certificates import Authority, options
from harness.definitions import permission, user
from harness.http import Api
from harness.millrace import binary_path
from harness.pika_tools import parameters, refusal, wait_until
from harness.raw import RawConnection, frame_bytes

pytestmark = pytest.mark.millrace_only("what it promises is ours")

HOSTILE = ["<img src=x onerror=alert(1)>", "a\r\nSet-Cookie: x=1\r\n", "\x1b[2J", "\u202egnp.exe", "'; --", "..%2f..%2f"]
DEFINITIONS = {
    "users": [user("ann"), user("bob"), user("admin", tags=["administrator"]), user(".*"), user("#")],
    "permissions": [
        permission("ann", configure="^ann-", write="^ann-", read="^ann-"),
        permission("bob"),
        permission("admin"),
        permission(".*", configure="^$", write="^$", read="^$"),
        permission("#", configure="^$", write="^$", read="^$"),
    ],
    "topic_permissions": [
        {"user": name, "vhost": "/", "exchange": "amq.topic", "write": r"^{username}$", "read": ".*"}
        for name in (".*", "#")
    ],
}


@pytest.fixture
def alone(own_broker):
    return own_broker(options=["--http", "127.0.0.1:0"], definitions=DEFINITIONS)


@pytest.fixture
def as_user():
    opened = []

    def connect(broker, name, **more):
        connection = pika.BlockingConnection(parameters(broker, name, name, **more))
        opened.append(connection)
        return connection.channel()

    yield connect
    for connection in opened:
        if connection.is_open:
            connection.close()


def still_serves(broker):
    connection = pika.BlockingConnection(parameters(broker))
    connection.channel().queue_declare("", exclusive=True)
    connection.close()
    return True


# 1. Allocation by a declared length or count, before anybody has logged in.


def test_class_1_a_declared_length_allocates_nothing_before_the_login(alone):
    """Class 1 (Kafka CVE-2026-111115, RabbitMQ CVE-2026-57220): memory follows what came, not what was announced."""
    still_serves(alone)
    before = alone.resident_bytes()
    connections = []
    for number in range(300):
        raw = RawConnection(alone)
        connections.append(raw)
        raw.start()
        if number % 2:
            raw.send_bytes(struct.pack(">BHI", 1, 0, 0xFFFFFFF0))  # a frame of 4 GiB
        else:  # a table of 4 GiB within a frame of 60 KiB, of which little comes
            raw.send_bytes(struct.pack(">BHI", 1, 0, 60_000) + struct.pack(">HHI", 10, 11, 0xFFFFFFF0))
    assert alone.resident_bytes() - before < 300 * 64 * 1024 + (8 << 20)
    for raw in connections[1::2]:
        assert raw.end()[0] == 501
    for raw in connections:
        raw.socket.close()
    assert still_serves(alone)


# 2. Decompression bombs.


def test_class_2_compressed_bodies_are_not_unpacked(alone):
    """Class 2 (RabbitMQ CVE-2026-67232): nothing here decompresses what strangers send; a body is taken as it is."""
    zeros = gzip.compress(b"\0" * (64 << 20), 9)
    before = alone.resident_bytes()
    connection = http.client.HTTPConnection(alone.host, alone.http_port, timeout=10)
    credentials = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}
    for encoding in ("gzip", "deflate"):
        connection.request("PUT", "/api/vhosts/x", zeros, {**credentials, "Content-Encoding": encoding})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 400
    channel = pika.BlockingConnection(parameters(alone)).channel()
    channel.queue_declare("z")
    channel.basic_publish("", "z", zeros, pika.BasicProperties(content_encoding="gzip"))
    assert channel.basic_get("z", auto_ack=True)[2] == zeros
    channel.connection.close()
    assert alone.resident_bytes() - before < 16 << 20


# 3. Integer overflow, desynchronisation, smuggling.


@pytest.mark.parametrize("size", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF])
def test_class_3_lengths_at_the_edge_of_their_type_do_not_shift_what_follows(alone, size):
    """Class 3 (ActiveMQ CVE-2026-40046, amqp091-go GHSA-j497): a length says where a field ends, or the end comes."""
    with RawConnection(alone) as raw:
        raw.start()
        # start-ok whose table announces `size`, with a method hidden behind it.
        hidden = frame_bytes(1, 0, struct.pack(">HH", 10, 50) + b"\0" * 8)
        raw.send_bytes(frame_bytes(1, 0, struct.pack(">HHI", 10, 11, size) + hidden))
        answer = raw.end()
    assert answer is None or answer[0] in (403, 501, 502, 503)
    assert still_serves(alone)


def test_class_3_two_lengths_in_one_http_request_are_refused(alone):
    """Class 3 (request smuggling): whoever sits in front must not see other requests than the broker does."""
    for head in (
        "Content-Length: 5\r\nContent-Length: 50",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: -1",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: chunked, identity",
    ):
        with socket.create_connection((alone.host, alone.http_port), 5) as raw:
            raw.sendall(
                f"PUT /api/vhosts/smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n{head}\r\n\r\n"
                "0\r\n\r\nGET /api/whoami HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            answer = b""
            while part := raw.recv(65536):
                answer += part
        assert answer.count(b"HTTP/1.1 ") == 1 and b"HTTP/1.1 4" in answer, (head, answer)
    assert "smuggled" not in [vhost["name"] for vhost in Api(alone).get("/vhosts")]


# 4. A crash by what is legal and odd.


def test_class_4_every_method_in_every_early_state_ends_the_connection_and_nothing_else(alone):
    """Class 4 (Mosquitto CVE-2021-28166, a CONNACK from a client): server's methods and methods too early."""
    ids = [(10, m) for m in (10, 20, 30, 31, 41, 50, 51, 60, 61, 70, 71)]
    ids += [(c, m) for c in (20, 40, 50, 60, 85, 90) for m in (10, 11, 20, 21, 30, 31, 40, 41, 60, 70, 71, 72, 80, 120)]
    for class_id, method_id in ids:
        for payload in (b"", b"\0" * 12):
            with RawConnection(alone) as raw:
                raw.start()
                raw.send_bytes(frame_bytes(1, 0, struct.pack(">HH", class_id, method_id) + payload))
                raw.send_bytes(frame_bytes(8, 0, b""))
                raw.socket.shutdown(socket.SHUT_WR)
                raw.end()
    assert still_serves(alone)


def test_class_4_odd_routing_keys_and_names_are_names(alone, as_user):
    """Class 4 (Mosquitto CVE-2018-12543, CVE-2019-11779): dots, wildcards and nothing, up to the longest key."""
    channel = as_user(alone, "admin")
    channel.queue_declare("odd")
    for pattern in ("#", "*", "", ".", "#.#.#", "*.#.*", "." * 255, "#." * 127 + "#", "$x", "\0", "é" * 127):
        channel.queue_bind("odd", "amq.topic", pattern)
    for key in ("", ".", "." * 255, "#", "a" * 255, "$x", "\0", "é" * 127):
        channel.basic_publish("amq.topic", key, b"")
        assert channel.basic_get("odd", auto_ack=True)[0] is not None
    assert still_serves(alone)


# 5. Getting in without a password.


def test_class_5_nothing_but_the_handshake_is_answered_before_the_login(alone):
    """Class 5 (Artemis CVE-2026-67593, a queue deleted before the login)."""
    channel = pika.BlockingConnection(parameters(alone)).channel()
    channel.queue_declare("kept", durable=True)
    for request in (commands.Connection.Open("/"), commands.Queue.Delete(queue="kept"), commands.Channel.Open()):
        with RawConnection(alone) as raw:
            raw.start()
            raw.send(request, 0 if isinstance(request, commands.Connection.Open) else 1)
            code, _ = raw.refusal()
            assert code in (503, 504)
    channel.queue_declare("kept", passive=True)
    channel.connection.close()


@pytest.mark.parametrize("response", ["", "\0", "\0\0", "\0ann", "\0ann\0", "ann", "bob\0ann\0", "\0\0ann", "\0nobody\0"])
def test_class_5_a_missing_password_is_a_wrong_one(own_broker, response):
    """Class 5 (RabbitMQ CVE-2016-9877): empty and missing passwords, and users that have none."""
    definitions = {
        "users": [
            user("ann"),
            {"name": "nobody", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""},
        ]
    }
    with RawConnection(own_broker(definitions=definitions)) as raw:
        raw.start()
        raw.login("PLAIN", response)
        assert raw.refusal()[0] == 403


def test_class_5_a_certificate_of_the_same_issuer_and_serial_is_another_one(own_broker, tmp_path):
    """Class 5 (RabbitMQ CVE-2026-67231): what vouches is a signature."""
    (tmp_path / "false").mkdir()
    authority, false = Authority(tmp_path), Authority(tmp_path / "false")
    broker = own_broker(
        options=options(
            authority.vouch("localhost", "DNS:localhost"), "--tls-verify", "require", "--tls-ca", authority.file
        ),
        definitions=DEFINITIONS,
    )
    for vouches, works in ((authority, True), (false, False)):
        context = authority.client(vouches.vouch("ann", serial=42))
        connect = lambda: pika.BlockingConnection(  # noqa: E731
            pika.ConnectionParameters(
                "127.0.0.1",
                broker.ready_port("amqps"),
                credentials=pika.credentials.ExternalCredentials(),
                ssl_options=pika.SSLOptions(context, "localhost"),
                connection_attempts=1,
            )
        )
        if works:
            connect().close()
        else:
            with pytest.raises(pika.exceptions.AMQPConnectionError):
                connect()


# 6. A right that one protocol asks for and another does not.


def http_publish(broker, name, queue):
    body = {"routing_key": queue, "payload": "x", "payload_encoding": "string", "properties": {}}
    return Api(broker, name)("POST", "/exchanges/%2F/amq.default/publish", body).status == 200


def amqp_publish(broker, name, queue):
    connection = pika.BlockingConnection(parameters(broker, name, name))
    channel = connection.channel()
    try:
        channel.basic_publish("", queue, b"x")
        channel.queue_declare("ann-other" if name == "ann" else "", exclusive=True)
        return True
    except pika.exceptions.ChannelClosedByBroker as closed:
        assert closed.reply_code == 403
        return False
    finally:
        if connection.is_open:
            connection.close()


def amqp_does(action):
    def act(broker, name, queue):
        connection = pika.BlockingConnection(parameters(broker, name, name))
        try:
            action(connection.channel(), queue)
            return True
        except pika.exceptions.ChannelClosedByBroker as closed:
            assert closed.reply_code == 403, closed
            return False
        finally:
            if connection.is_open:
                connection.close()

    return act


def http_does(method, path, body=None):
    def act(broker, name, queue):
        return Api(broker, name)(method, path.format(queue=queue), body).status in (200, 201, 204)

    return act


SAME_BY_BOTH = {
    "configure": (
        amqp_does(lambda channel, queue: channel.queue_declare(queue, durable=True)),
        http_does("PUT", "/queues/%2F/{queue}", {"durable": True}),
    ),
    "read": (
        amqp_does(lambda channel, queue: channel.basic_get(queue)),
        http_does("POST", "/queues/%2F/{queue}/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
    ),
    "purge": (
        amqp_does(lambda channel, queue: channel.queue_purge(queue)),
        http_does("DELETE", "/queues/%2F/{queue}/contents"),
    ),
    "bind": (
        amqp_does(lambda channel, queue: channel.queue_bind(queue, "ann-exchange", "k")),
        http_does("POST", "/bindings/%2F/e/ann-exchange/q/{queue}", {"routing_key": "k", "arguments": {}}),
    ),
    "write": (amqp_publish, http_publish),
    "delete": (
        amqp_does(lambda channel, queue: channel.queue_delete(queue)),
        http_does("DELETE", "/queues/%2F/{queue}"),
    ),
}


def test_class_6_every_way_in_asks_for_the_same_rights(own_broker):
    """Class 6 (RabbitMQ CVE-2026-67241, CVE-2024-51988; NATS 2026-07): user × operation × resource × way in."""
    definitions = {
        "users": [user("ann", tags=["management"]), user("bob", tags=["management"]), user("cat", tags=["management"])],
        "permissions": [
            permission("ann", "^ann-", "^(ann-|amq\\.default)", "^ann-"),
            permission("bob"),
            permission("cat", "^$", "^$", "^$"),
        ],
        "exchanges": [{"name": "ann-exchange", "vhost": "/", "type": "direct", "durable": True, "auto_delete": False,
                       "internal": False, "arguments": {}}],
    }
    broker = own_broker(options=["--http", "127.0.0.1:0"], definitions=definitions)
    expected = {
        ("ann", "ann-q"): {"configure", "read", "purge", "bind", "write", "delete"},
        ("ann", "other"): {"write"},  # the default exchange asks for itself alone, as RabbitMQ's does
        ("bob", "ann-q"): set(SAME_BY_BOTH),
        ("bob", "other"): set(SAME_BY_BOTH),
        ("cat", "ann-q"): set(),
        ("cat", "other"): set(),
    }
    root = pika.BlockingConnection(parameters(broker)).channel()
    for (name, queue), allowed in expected.items():
        for operation, ways in SAME_BY_BOTH.items():
            for way in ways:
                root.queue_declare(queue, durable=True)
                assert way(broker, name, queue) == (operation in allowed), (name, queue, operation, way)
    root.connection.close()


def test_class_6_a_users_name_in_a_pattern_is_a_name(alone, as_user):
    """Class 6 (RabbitMQ CVE-2026-44838, Mosquitto CVE-2017-7650): a user called '.*' may write its own name only."""
    for name in (".*", "#"):
        Api(alone).put(f"/permissions/%2F/{name.replace('#', '%23')}", {"configure": "", "write": "amq.topic", "read": ""})
        channel = as_user(alone, name)
        channel.confirm_delivery()
        channel.basic_publish("amq.topic", name, b"")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker):
            channel.basic_publish("amq.topic", "anything", b"")


def test_class_6_rights_that_are_taken_away_are_gone_for_those_who_are_in(alone, as_user):
    """Class 6 (RabbitMQ CVE-2026-57218): the next publish, and connections of a user that is deleted."""
    channel = as_user(alone, "bob")
    channel.confirm_delivery()
    channel.queue_declare("q")
    channel.basic_publish("", "q", b"")
    Api(alone).put("/permissions/%2F/bob", {"configure": "", "write": "", "read": ""})
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.basic_publish("", "q", b"")
    idle = as_user(alone, "admin")
    Api(alone).delete("/users/admin")
    with pytest.raises(pika.exceptions.AMQPError):
        for _ in range(100):
            idle.connection.process_data_events(0.1)
            idle.queue_declare("", exclusive=True)


# 7. The channel between nodes: there is none.


def test_class_7_only_what_was_asked_for_listens(alone):
    """Class 7 (Kafka CVE-2018-1288): no port for nodes is open, as there are none; the listeners are those announced."""
    inodes = set()
    for entry in os.listdir(f"/proc/{alone.process.pid}/fd"):
        try:
            target = os.readlink(f"/proc/{alone.process.pid}/fd/{entry}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    listening = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{alone.process.pid}/net/{table}", encoding="ascii") as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    listening.add(int(fields[1].rsplit(":", 1)[1], 16))
    assert listening == {alone.port, alone.http_port}


# 8. Default credentials; the rule of the loopback.


def test_class_8_guest_comes_from_the_loopback_only_whoever_forwards_it(own_broker):
    """Class 8 (RabbitMQ CVE-2026-57216, CVE-2026-67411): the rule looks at the peer, behind a listed proxy at its client."""
    broker = own_broker(options=["--proxy-protocol-from", "127.0.0.1"])
    for source, welcome in (("127.0.0.1", True), ("198.51.100.1", False)):
        with RawConnection(broker) as raw:
            raw.send_bytes(f"PROXY TCP4 {source} 127.0.0.1 1 2\r\n".encode())
            raw.start()
            raw.login()
            assert isinstance(raw.receive(), commands.Connection.Tune) == welcome
    # That the peer's address counts and not the listener's: test_access.py,
    # test_guest_is_refused_when_it_comes_from_elsewhere_and_others_are_not.


# 9. Configuration that fails open.


def run(directory, *words, seconds=10):
    command = [str(binary_path()), "serve", "--data-dir", str(directory / "data"), "--amqp", "127.0.0.1:0", *words]
    return subprocess.run(command, capture_output=True, timeout=seconds, check=False)


@pytest.mark.parametrize(
    "text",
    [
        'shards = "many"',
        "unknown = 1",
        "allow-anonymous = 1",
        "[table]\na = 1",
        'amqp = ["127.0.0.1:0", "off"]',
        'tls-verify = ""',
        'proxy-protocol-from = ["0.0.0.0/99"]',
        'proxy-protocol-from = [""]',
        "data-dir = ",
        "\0",
    ],
)
def test_class_9_a_configuration_with_one_error_is_refused_whole(tmp_path, text):
    """Class 9 (Mosquitto CVE-2018-12551): no line is skipped, no default stands in for what could not be read."""
    file = tmp_path / "millrace.toml"
    file.write_text(text)
    ran = run(tmp_path, "--config", str(file))
    assert ran.returncode == 2 and ran.stdout == b""
    assert not (tmp_path / "data").exists()


def test_class_9_what_is_empty_denies(own_broker):
    """Class 9 (Mosquitto CVE-2018-12550): an empty pattern, no permission, no users."""
    definitions = {"users": [user("empty"), user("none")], "permissions": [permission("empty", "", "", "")]}
    broker = own_broker(definitions=definitions)
    channel = pika.BlockingConnection(parameters(broker, "empty", "empty")).channel()
    assert refusal(channel.queue_declare, "q")[0] == 403
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(parameters(broker, "none", "none"))


def test_class_9_a_reload_that_finds_no_file_keeps_what_was_in_use(own_broker, tmp_path):
    """Class 9 (Mosquitto CVE-2017-7652): a reload that cannot open its files changes nothing."""
    authority = Authority(tmp_path)
    shown = authority.vouch("localhost", "DNS:localhost")
    broker = own_broker(options=options(shown, "--tls-verify", "require", "--tls-ca", authority.file))
    authority.file.rename(tmp_path / "elsewhere.pem")
    os.kill(broker.process.pid, signal.SIGHUP)
    wait_until(lambda: "nothing is reloaded" in broker.log_tail())
    (tmp_path / "elsewhere.pem").rename(authority.file)
    context = authority.client()  # shows no certificate: still refused
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(
            pika.ConnectionParameters(
                "127.0.0.1",
                broker.ready_port("amqps"),
                ssl_options=pika.SSLOptions(context, "localhost"),
                connection_attempts=1,
            )
        )


def test_class_9_without_descriptors_nothing_opens_that_was_closed(own_broker):
    """Class 9 (Mosquitto CVE-2017-7652): with no file to be opened a reload keeps what was in use, who is connected
    goes on, and who comes is let in when there is room, by the same rules."""
    broker = own_broker(options=["--http", "127.0.0.1:0"], definitions=DEFINITIONS)
    connection = pika.BlockingConnection(parameters(broker, "bob", "bob"))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q", durable=True)
    pid = broker.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    in_use = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 4, before[1]))
    waiting = [socket.create_connection((broker.host, broker.port), 5) for _ in range(20)]
    os.kill(pid, signal.SIGHUP)
    persistent = pika.BasicProperties(delivery_mode=2)
    for _ in range(50):
        channel.basic_publish("", "q", b"x" * 1000, persistent, mandatory=True)
    assert refusal(connection.channel().queue_declare, "amq.mine")[0] == 403
    for one in waiting:
        one.close()
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(parameters(broker, "bob", "wrong"))
    Api(broker, "bob", "wrong")("GET", "/whoami", expect=401)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert channel.queue_declare("q", passive=True).method.message_count == 50
    connection.close()
    pika.BlockingConnection(parameters(broker, "bob", "bob")).close()


# 10. Secrets in logs; names that forge lines of a log or headers of an answer.


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_class_10_names_forge_neither_lines_of_the_log_nor_headers(own_broker, log_format):
    """Class 10 (RabbitMQ CVE-2014-9650, CWE-117). Passwords: test_audit.py, test_a_planted_password_shows_up_nowhere."""
    broker = own_broker(options=["--http", "127.0.0.1:0", "--log-format", log_format, "--log-level", "debug"])
    api = Api(broker)
    for name in HOSTILE:
        path = "/vhosts/" + "".join(f"%{octet:02x}" for octet in name.encode())
        answer = api("PUT", path, {"description": name})
        assert "Set-Cookie" not in answer.headers
        answer = api("GET", path)
        assert "Set-Cookie" not in answer.headers
        with RawConnection(broker) as raw:
            raw.start()
            raw.login("PLAIN", f"\0{name}\0{name}")
            raw.refusal()
    log = broker.log_tail(1_000_000)
    assert "\x1b" not in log and "\u202e" not in log
    for line in log.splitlines():
        if log_format == "json":
            json.loads(line)
        else:
            assert re.match(r"\d{4}-\d\d-\d\dT\S+Z (debug|info|warning|error) ", line), line


# 11. The page: scripts in names, requests of other sites.


def test_class_11_names_are_data_and_other_sites_are_not_answered(alone):
    """Class 11 (RabbitMQ CVE-2021-32718, CVE-2026-66070). In a browser: test_page.py, hostile names."""
    api = Api(alone)
    for name in HOSTILE[:1]:
        path = "".join(f"%{octet:02x}" for octet in name.encode())
        api.put(f"/queues/%2F/{path}", {"durable": True})
        answer = api("GET", f"/queues/%2F/{path}")
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = api.ask("GET", "/")
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = api("PUT", "/vhosts/csrf", {}, headers={"Origin": origin})
        assert answer.status == 403 and "Access-Control-Allow-Origin" not in answer.headers
    assert api("OPTIONS", "/vhosts/csrf", headers={"Origin": "https://evil.example"}).status in (403, 405)


# 12. Objects and code by name.


def test_class_12_types_named_by_clients_are_looked_up_in_a_table_and_never_loaded(alone, as_user):
    """Class 12 (ActiveMQ CVE-2023-46604): an exchange type that is no type of ours is an error, and opens no file."""
    for kind in ("java.lang.Runtime", "../../lib/evil.so", "x-evil", "file:///etc/passwd"):
        assert refusal(as_user(alone, "admin").exchange_declare, "e", kind)[0] in (406, 503)
    with open(f"/proc/{alone.process.pid}/maps", encoding="ascii") as maps:
        assert "evil" not in maps.read()


# 13. Work out of proportion to what was asked.


def test_class_13_patterns_and_wildcards_cost_a_bounded_time(alone, as_user):
    """Class 13 (RabbitMQ CVE-2026-67419, CVE-2026-66074): '#.#.#' and patterns that backtrack."""
    Api(alone).put("/permissions/%2F/ann", {"configure": "^(a+)+$", "write": "^(a+)+$|^amq\\.", "read": ".*"})
    begun = time.monotonic()
    assert refusal(as_user(alone, "ann").queue_declare, "a" * 200 + "!")[0] == 403
    channel = as_user(alone, "admin")
    channel.queue_declare("w")
    for number in range(20):
        channel.queue_bind("w", "amq.topic", ".".join(["#", "a"] * (20 + number) + ["b"]))
    try:
        channel.basic_publish("amq.topic", ".".join(["a"] * 127), b"")
        channel.queue_declare("w", passive=True)
    except pika.exceptions.ChannelClosedByBroker as closed:
        assert closed.reply_code == 406  # more steps than one message may take
    assert time.monotonic() - begun < 10
    assert still_serves(alone)


def test_class_13_tls_peers_cannot_renegotiate(own_broker, tmp_path):
    """Class 13 (ActiveMQ CVE-2026-39304): TLS 1.2 renegotiation is refused; key updates of 1.3: tls_engine_test.cpp."""
    authority = Authority(tmp_path)
    broker = own_broker(options=options(authority.vouch("localhost", "DNS:localhost")))
    ran = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{broker.ready_port('amqps')}", "-tls1_2", "-CAfile", authority.file],
        input=b"R\n",
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert b"no renegotiation" in ran.stderr.lower() or b"RENEGOTIATING" in ran.stderr + ran.stdout
    assert still_serves(broker)


# 14. Taking over another's session.


def test_class_14_replies_go_to_whom_they_are_for(alone, as_user):
    """Class 14 (RabbitMQ CVE-2026-57215): reply addresses are not to be guessed, nor of use to others than to answer."""
    victim = as_user(alone, "bob")
    got = []
    victim.basic_consume("amq.rabbitmq.reply-to", lambda *delivery: got.append(delivery[3]), auto_ack=True)
    other = as_user(alone, "bob")
    other.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
    addresses = []
    server = as_user(alone, "admin")
    server.queue_declare("rpc")
    for channel in (victim, other):
        channel.basic_publish("", "rpc", b"", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    wait_until(lambda: server.queue_declare("rpc", passive=True).method.message_count == 2)
    for _ in range(2):
        addresses.append(server.basic_get("rpc", auto_ack=True)[1].reply_to)
    assert len(addresses[0]) - len(os.path.commonprefix(addresses)) >= 16  # all that is secret differs
    changed = addresses[0][:-1] + ("0" if addresses[0][-1] != "0" else "1")
    server.basic_publish("", changed, b"forged")
    server.basic_publish("", addresses[0], b"answer")

    def pump():
        victim.connection.process_data_events(0.05)
        return got

    assert wait_until(pump) == [b"answer"]
    assert refusal(as_user(alone, "admin").basic_get, addresses[0])[0] in (403, 404, 405)


def test_class_14_exclusive_queues_are_their_connections(alone, as_user):
    """Class 14 (ActiveMQ CVE-2026-54475): another connection of the same user neither reads nor deletes."""
    queue = as_user(alone, "bob").queue_declare("", exclusive=True).method.queue
    for action in (
        lambda channel: channel.basic_get(queue),
        lambda channel: channel.queue_delete(queue),
        lambda channel: channel.queue_purge(queue),
        lambda channel: channel.queue_bind(queue, "amq.direct", "k"),
        lambda channel: channel.basic_consume(queue, lambda *_: None),
    ):
        assert refusal(action, as_user(alone, "bob"))[0] == 405


# 15. Timing and weak randomness.


def test_class_15_salts_names_and_replies_do_not_repeat(own_broker):
    """Class 15 (RabbitMQ CVE-2022-31008): of two brokers that start alike nothing random is alike."""
    seen = []
    for _ in range(2):
        broker = own_broker(options=["--http", "127.0.0.1:0"])
        Api(broker).put("/users/u", {"password": "same", "tags": ""})
        channel = pika.BlockingConnection(parameters(broker)).channel()
        seen.append({channel.queue_declare("", exclusive=True).method.queue for _ in range(50)})
        with RawConnection(broker) as raw:
            raw.start()
            raw.login("SCRAM-SHA-256", "n,,n=u,r=x")
            challenge = raw.expect(commands.Connection.Secure).challenge
            seen[-1].add(challenge if isinstance(challenge, str) else challenge.decode())
        channel.connection.close()
        assert len(seen[-1]) == 51
    assert not seen[0] & seen[1]


def test_class_15_an_unknown_name_takes_as_long_as_a_wrong_password(alone):
    """Class 15: who guesses names learns nothing by the clock. The medians differ by less than the derivation takes."""

    def seconds(name, number):
        # A source and name that has not failed before is not held back for long: 100 ms, both alike.
        with RawConnection(alone) as raw:
            raw.start()
            begun = time.monotonic()
            raw.login("PLAIN", f"\0{name}\0wrong{number}")
            raw.refusal()
            return time.monotonic() - begun

    for name in ("strong0", "strong1", "strong2", "strong3", "strong4"):
        Api(alone).put(f"/users/{name}", {"password": "x", "tags": ""})
    known = sorted(seconds(f"strong{n}", n) for n in range(5))[2]
    unknown = sorted(seconds(f"nobody{n}", n) for n in range(5))[2]
    assert abs(known - unknown) < 0.5 * max(known, unknown)
