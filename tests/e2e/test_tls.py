"""TLS: AMQP and the HTTP API over it, certificates of clients, names, reloading."""

import asyncio
import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import warnings
from pathlib import Path

import aio_pika
import amqp
import pika
import pytest

from harness.certificates import Authority, options
from harness.definitions import permission, user
from harness.http import Api
from harness.pika_tools import wait_until

pytestmark = pytest.mark.millrace_only("its options are ours")

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.vouch("localhost", "DNS:localhost,IP:127.0.0.1")


@pytest.fixture
def secure_broker(own_broker, certificate):
    def start(*more, definitions=None):
        broker = own_broker(options=options(certificate, *more), definitions=definitions)
        broker.amqps_port = broker.ready_port("amqps")
        broker.https_port = broker.ready_port("https")
        return broker

    return start


def connect(broker, context, credentials=None, host="localhost", **more):
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            "127.0.0.1",
            broker.amqps_port,
            credentials=credentials or pika.PlainCredentials("guest", "guest"),
            ssl_options=pika.SSLOptions(context, host),
            connection_attempts=1,
            **more,
        )
    )


def shake_hands(port, context, host="localhost", alpn=None):
    """A TLS socket after its handshake; TLS 1.3 tells a client that it was refused with the first read only."""
    if alpn:
        context.set_alpn_protocols(alpn)
    plain = socket.create_connection(("127.0.0.1", port), 5)
    return context.wrap_socket(plain, server_hostname=host)


def is_refused(port, context):
    try:
        with shake_hands(port, context) as secured:
            secured.sendall(b"AMQP\0\0\x09\x01")
            return secured.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def test_pika_publishes_and_consumes_over_tls(secure_broker, authority):
    broker = secure_broker()
    connection = connect(broker, authority.client())
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q", durable=True)
    bodies = [b"", b"x", b"y" * 100_000, b"z" * 3_000_000]
    for body in bodies:
        channel.basic_publish("", "q", body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    assert [channel.basic_get("q", auto_ack=True)[2] for _ in bodies] == bodies
    listed = wait_until(lambda: [c for c in Api(broker).get("/connections") if c["ssl"]])
    assert listed[0]["ssl_protocol"] == "TLSv1.3"
    assert "AES" in listed[0]["ssl_cipher"] or "CHACHA" in listed[0]["ssl_cipher"]
    connection.close()


def test_a_slow_reader_over_tls_gets_every_byte_in_order(secure_broker, authority):
    """More than the socket takes: what is encrypted and not sent yet is neither lost nor sent twice."""
    broker = secure_broker()
    connection = connect(broker, authority.client())
    channel = connection.channel()
    channel.queue_declare("q")
    bodies = [bytes([n % 256]) * (37_000 + n) for n in range(400)]
    for body in bodies:
        channel.basic_publish("", "q", body)
    reader = connect(broker, authority.client()).channel()
    got = []
    for _, _, body in reader.consume("q", auto_ack=True, inactivity_timeout=10):
        if len(got) < 5:
            time.sleep(0.2)
        got.append(body)
        if len(got) == len(bodies):
            break
    assert got == bodies


def test_aio_pika_and_py_amqp_speak_tls_1_2_and_1_3(secure_broker, authority):
    broker = secure_broker()

    async def with_aio_pika():
        url = f"amqps://guest:guest@localhost:{broker.amqps_port}/"
        connection = await aio_pika.connect(url, ssl_context=authority.client(), timeout=10)
        channel = await connection.channel()
        queue = await channel.declare_queue("a")
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), "a")
        message = await queue.get(timeout=5)
        await connection.close()
        return message.body

    assert asyncio.run(with_aio_pika()) == b"hello"
    newest = ssl.TLSVersion.TLSv1_2
    with connect(broker, authority.client(newest=newest)) as connection:
        connection.channel().queue_declare("b")
    with amqp.Connection(
        f"localhost:{broker.amqps_port}", ssl={"ca_certs": str(authority.file), "server_hostname": "localhost"}
    ) as connection:
        connection.channel().queue_declare("c")


@pytest.mark.skipif(not (NODE / "node_modules/amqplib").exists(), reason="npm has not installed amqplib")
def test_amqplib_speaks_tls(secure_broker, authority):
    broker = secure_broker()
    program = """
const amqp = require('amqplib'), fs = require('fs');
(async () => {
  const c = await amqp.connect(process.argv[1], {ca: [fs.readFileSync(process.argv[2])]});
  const ch = await c.createConfirmChannel();
  await ch.assertQueue('n');
  ch.sendToQueue('n', Buffer.alloc(200000, 'x'));
  await ch.waitForConfirms();
  const m = await ch.get('n', {noAck: true});
  console.log(m.content.length);
  await c.close();
})().catch(e => { console.error(e); process.exit(1); });
"""
    url = f"amqps://guest:guest@localhost:{broker.amqps_port}"
    ran = subprocess.run(
        ["node", "-e", program, url, str(authority.file)], cwd=NODE, capture_output=True, timeout=20, check=False
    )
    assert ran.stdout.strip() == b"200000", ran.stderr.decode()


def https_get(broker, context, path="/api/overview", host="localhost"):
    connection = http.client.HTTPSConnection(host, broker.https_port, context=context, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_api_and_the_page_are_served_over_https(secure_broker, authority):
    broker = secure_broker()
    status, body = https_get(broker, authority.client())
    assert status == 200 and b"cluster_name" in body
    status, body = https_get(broker, authority.client(), "/")
    assert status == 200 and b"<html" in body.lower()
    # Several requests of one connection, and bodies both ways that are longer than a record.
    connection = http.client.HTTPSConnection("localhost", broker.https_port, context=authority.client(), timeout=10)
    headers = {"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="}
    connection.request("PUT", "/api/queues/%2F/q", b"{}", headers)
    connection.getresponse().read()
    payload = "p" * 300_000
    message = '{"routing_key":"q","payload":"%s","payload_encoding":"string","properties":{}}' % payload
    connection.request("POST", "/api/exchanges/%2F/amq.default/publish", message, headers)
    assert connection.getresponse().read() == b'{"routed":true}'
    wanted = '{"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}'
    connection.request("POST", "/api/queues/%2F/q/get", wanted, headers)
    assert payload.encode() in connection.getresponse().read()
    connection.close()


def test_https_speaks_http_1_1_and_refuses_those_who_want_another(secure_broker, authority):
    broker = secure_broker()
    with shake_hands(broker.https_port, authority.client(), alpn=["h2", "http/1.1"]) as secured:
        assert secured.selected_alpn_protocol() == "http/1.1"
    with pytest.raises(ssl.SSLError):
        shake_hands(broker.https_port, authority.client(), alpn=["h2"])


def test_versions_before_1_2_are_refused_on_both_listeners(secure_broker, authority):
    broker = secure_broker()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for port in (broker.amqps_port, broker.https_port):
            for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
                with pytest.raises(ssl.SSLError):
                    shake_hands(port, authority.client(oldest=version, newest=version))
    with shake_hands(broker.amqps_port, authority.client()) as secured:
        assert secured.version() == "TLSv1.3"


def test_tls_1_3_alone_can_be_asked_for(secure_broker, authority):
    broker = secure_broker("--tls-min-version", "1.3")
    with pytest.raises(ssl.SSLError):
        shake_hands(broker.amqps_port, authority.client(newest=ssl.TLSVersion.TLSv1_2))
    connect(broker, authority.client()).close()


def test_a_client_without_tls_is_closed_and_the_log_says_what_it_spoke(secure_broker):
    broker = secure_broker()
    with socket.create_connection(("127.0.0.1", broker.amqps_port), 5) as plain:
        plain.sendall(b"AMQP\0\0\x09\x01")
        while plain.recv(1000):
            pass
    wait_until(lambda: "the client speaks AMQP without TLS" in broker.log_tail())
    with socket.create_connection(("127.0.0.1", broker.https_port), 5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while plain.recv(1000):
            pass
    wait_until(lambda: "the client speaks HTTP without TLS" in broker.log_tail())


def test_a_handshake_that_does_not_end_is_ended(own_broker, certificate):
    broker = own_broker(options=options(certificate, "--handshake-timeout", "300"))
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", broker.ready_port("amqps")), 5) as silent:
        assert silent.recv(1) == b""
    assert 0.2 < time.monotonic() - begun < 5
    assert "takes too long" in broker.log_tail()


def test_tls_has_a_bound_of_handshakes_that_are_under_way(own_broker, certificate):
    broker = own_broker(options=options(certificate, "--shards", "1", "--handshake-timeout", "3000"))
    port = broker.ready_port("amqps")
    sockets = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(1001)]
    try:
        wait_until(lambda: "too many connections are at their TLS handshake" in broker.log_tail())
        # Those who are in are not disturbed.
        pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port)).close()
    finally:
        for one in sockets:
            one.close()


CLIENTS = {
    "users": [user("alice", password="unused"), user("bob")],
    "permissions": [permission("alice"), permission("bob")],
}


def external(broker, context):
    with connect(broker, context, pika.credentials.ExternalCredentials()) as connection:
        connection.channel().queue_declare("q")
        return wait_until(lambda: [c["user"] for c in Api(broker).get("/connections")])


def test_a_client_is_whom_its_certificate_names(secure_broker, authority):
    broker = secure_broker("--tls-verify", "require", "--tls-ca", authority.file, definitions=CLIENTS)
    assert external(broker, authority.client(authority.vouch("alice"))) == ["alice"]
    # A password is of use too.
    bob = authority.client(authority.vouch("whoever"))
    connect(broker, bob, pika.PlainCredentials("bob", "bob")).close()
    # A name that is no user's gets nobody in: it is not even offered.
    with pytest.raises(pika.exceptions.AuthenticationError):
        external(broker, authority.client(authority.vouch("mallory")))


@pytest.mark.parametrize(
    "where, alternative, subject",
    [
        ("common-name", None, "/O=people/CN=alice"),
        ("san-dns", "DNS:alice", "/CN=guest"),
        ("san-email", "email:alice", "/CN=guest"),
        ("san-uri", "URI:alice", "/CN=guest"),
    ],
)
def test_the_name_is_looked_for_where_it_is_told_to(secure_broker, authority, where, alternative, subject):
    broker = secure_broker(
        *("--tls-verify", "require", "--tls-ca", authority.file, "--tls-login-from", where), definitions=CLIENTS
    )
    shown = authority.vouch("alice", alternative, file=f"alice-{where}", subject=subject)
    assert external(broker, authority.client(shown)) == ["alice"]


def mechanisms(port, context):
    with shake_hands(port, context) as secured:
        secured.sendall(b"AMQP\0\0\x09\x01")
        start = b""
        while b"en_US" not in start:
            start += secured.recv(4096)
    return start


def test_external_is_offered_to_those_alone_whose_certificate_names_a_user(secure_broker, authority):
    broker = secure_broker("--tls-verify", "optional", "--tls-ca", authority.file, definitions=CLIENTS)
    assert b"EXTERNAL" in mechanisms(broker.amqps_port, authority.client(authority.vouch("alice")))
    assert b"EXTERNAL" not in mechanisms(broker.amqps_port, authority.client())
    # A service's certificate beside a password: clients take EXTERNAL as soon as it is there.
    assert b"EXTERNAL" not in mechanisms(broker.amqps_port, authority.client(authority.vouch("some-host")))
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        external(broker, authority.client())
    # Not over a connection in clear, whatever is asked for.
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(
            pika.ConnectionParameters(
                "127.0.0.1", broker.port, credentials=pika.credentials.ExternalCredentials(), connection_attempts=1
            )
        )


def test_certificates_of_clients_that_nobody_vouches_for_are_refused(secure_broker, authority, tmp_path):
    stranger = Authority(tmp_path, "authority")  # of the same name, with another key
    broker = secure_broker("--tls-verify", "require", "--tls-ca", authority.file, definitions=CLIENTS)
    good = authority.vouch("alice", serial=77)
    context = authority.client(good)
    assert not is_refused(broker.amqps_port, context)
    for shown in (
        None,
        stranger.vouch("alice", serial=77),  # of the same issuer and serial
        authority.vouch("alice", days=-1, file="late"),
    ):
        for port in (broker.amqps_port, broker.https_port):
            assert is_refused(port, authority.client(shown)), shown


def test_a_revoked_certificate_is_refused_after_a_reload(secure_broker, authority):
    alice, mallory = authority.vouch("alice"), authority.vouch("mallory", file="revoked")
    listed = authority.revoke()
    broker = secure_broker(
        *("--tls-verify", "require", "--tls-ca", authority.file, "--tls-crl", listed), definitions=CLIENTS
    )
    assert not is_refused(broker.amqps_port, authority.client(mallory))
    authority.revoke(mallory)
    reload_and_wait(broker, "certificates are reloaded")
    assert is_refused(broker.amqps_port, authority.client(mallory))
    assert not is_refused(broker.amqps_port, authority.client(alice))


def test_the_certificate_is_chosen_by_the_name_that_the_client_asks_for(own_broker, authority, certificate):
    other = authority.vouch("other.example", "DNS:other.example,DNS:*.wild.example")
    broker = own_broker(
        options=options(certificate, "--tls-certificate", other.chain, "--tls-key", other.key),
    )

    def shown_to(name, port):
        context = authority.client()
        context.check_hostname = False
        with shake_hands(port, context, name) as secured:
            return dict(pair[0] for pair in secured.getpeercert()["subject"])["commonName"]

    for port in (broker.ready_port("amqps"), broker.ready_port("https")):
        assert shown_to("localhost", port) == "localhost"
        assert shown_to("other.example", port) == "other.example"
        assert shown_to("a.wild.example", port) == "other.example"
        assert shown_to("nobody.example", port) == "localhost"


def reload_and_wait(broker, line):
    before = broker.log_tail().count(line)
    os.kill(broker.process.pid, signal.SIGHUP)
    wait_until(lambda: broker.log_tail().count(line) > before)


def serial(port, authority):
    with shake_hands(port, authority.client()) as secured:
        return secured.getpeercert()["serialNumber"]


def test_a_reload_changes_certificates_and_keeps_connections(own_broker, authority):
    shown = authority.vouch("localhost", "DNS:localhost,IP:127.0.0.1", file="changing")
    broker = own_broker(options=options(shown))
    broker.amqps_port = broker.ready_port("amqps")
    https = broker.ready_port("https")
    connection = connect(broker, authority.client())
    channel = connection.channel()
    channel.queue_declare("q")
    first = serial(broker.amqps_port, authority)
    authority.vouch("localhost", "DNS:localhost,IP:127.0.0.1", file="changing")
    reload_and_wait(broker, "certificates are reloaded")
    wait_until(lambda: serial(broker.amqps_port, authority) != first)
    assert serial(https, authority) == serial(broker.amqps_port, authority)
    channel.basic_publish("", "q", b"m")
    assert channel.basic_get("q", auto_ack=True)[2] == b"m"
    connection.close()


def test_the_health_check_says_which_certificate_ends_soon(own_broker, authority):
    names = "DNS:localhost,IP:127.0.0.1"
    shown = authority.vouch("localhost", names, days=20, file="ending")
    broker = own_broker(options=options(shown))
    api = Api(broker)
    assert api.get("/health/checks/certificate-expiration/2/weeks")["status"] == "ok"
    failed = api("GET", "/health/checks/certificate-expiration/3/weeks")
    assert failed.status == 503 and failed.json["status"] == "failed"
    (ending,) = failed.json["expired"]
    assert ending["certfile"] == str(shown.chain) and 19 < (ending["certfile_expires_on"] - time.time()) / 86400 < 21
    authority.vouch("localhost", names, days=40, file="ending")
    reload_and_wait(broker, "certificates are reloaded")
    wait_until(lambda: api("GET", "/health/checks/certificate-expiration/3/weeks").status == 200)
    assert api("GET", "/health/checks/certificate-expiration/2/months").status == 503


@pytest.mark.parametrize("damage", ["nothing", "not PEM", "another's key"])
def test_a_reload_that_fails_keeps_what_was_in_use(own_broker, authority, damage):
    shown = authority.vouch("localhost", "DNS:localhost,IP:127.0.0.1", file=f"kept-{damage.split()[0]}")
    broker = own_broker(options=options(shown))
    port = broker.ready_port("amqps")
    first = serial(port, authority)
    if damage == "nothing":
        shown.chain.unlink()
    elif damage == "not PEM":
        shown.chain.write_text("-----BEGIN")
    else:
        shown.key.write_bytes(authority.vouch("another").key.read_bytes())
    reload_and_wait(broker, "nothing is reloaded, what was in use stays")
    assert serial(port, authority) == first


def test_many_connect_while_certificates_are_reloaded(secure_broker, authority):
    broker = secure_broker()
    failures = []

    def come_and_go():
        for _ in range(10):
            try:
                connect(broker, authority.client()).close()
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        os.kill(broker.process.pid, signal.SIGHUP)
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    "words, reason",
    [
        (["--amqps", "127.0.0.1:0"], "want a tls-certificate"),
        (["--tls-certificate", "/x.pem"], "wants a tls-key"),
        (["--tls-verify", "require"], "wants a tls-ca"),
        (["--tls-verify", "maybe"], "'maybe' is not none, optional or require"),
        (["--proxy-protocol-from", "10.0.0.1/8"], "bits set behind its prefix"),
    ],
)
def test_options_that_do_not_go_together_are_refused_at_the_start(tmp_path, words, reason):
    from harness.millrace import binary_path

    command = [str(binary_path()), "serve", "--data-dir", str(tmp_path / "d"), "--amqp", "127.0.0.1:0", *words]
    ran = subprocess.run(command, capture_output=True, timeout=10, check=False)
    assert ran.returncode == 2 and reason in ran.stderr.decode(), ran.stderr


def test_files_that_cannot_be_read_are_refused_at_the_start(tmp_path, certificate):
    from harness.millrace import binary_path

    certificate_options = options(certificate)
    certificate_options[certificate_options.index("--tls-key") + 1] = str(tmp_path / "missing.key")
    command = [str(binary_path()), "serve", "--data-dir", str(tmp_path / "d"), "--amqp", "127.0.0.1:0"]
    ran = subprocess.run(command + certificate_options, capture_output=True, timeout=10, check=False)
    assert ran.returncode == 1 and "missing.key': No such file" in ran.stderr.decode(), ran.stderr
    assert not (tmp_path / "d").exists()


def test_metrics_are_served_over_tls_to_who_shows_a_certificate(own_broker, authority, certificate):
    more = ["--prometheus-tls", "127.0.0.1:0", "--tls-verify", "require", "--tls-ca", str(authority.file)]
    broker = own_broker(options=options(certificate, *more))
    port = broker.ready_port("prometheus-tls")
    context = ssl.create_default_context(cafile=authority.file)
    assert is_refused(port, context)
    scraper = authority.vouch("scraper")
    context.load_cert_chain(scraper.chain, scraper.key)
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert response.status == 200 and b"rabbitmq_connections" in response.read()
    connection.close()
