"""Users whom an HTTP server knows, asked as RabbitMQ's HTTP back end asks."""

import threading
import time
from urllib.parse import parse_qs, urlencode

import pika
import pytest

from harness.certificates import Authority
from harness.http import Api
from harness.pika_tools import parameters, wait_until
from harness.tokens import Server

pytestmark = pytest.mark.millrace_only("its options are ours")


class Service:
    """Knows ann, with password secret, and lets her do what `allows(path, fields)` says."""

    def __init__(self):
        self.calls = []
        self.allows = lambda path, fields: True
        self.tags = ""
        self.slow = threading.Event()
        self.slow.set()
        self.answer_with = None

    def answer(self, method, path, body):
        fields = {key: values[0] for key, values in parse_qs(body, keep_blank_values=True).items()}
        self.calls.append((path, fields))
        self.slow.wait(20)
        if self.answer_with is not None:
            return self.answer_with
        assert method == "POST"
        if path == "/user":
            known = fields == {"username": "ann", "password": "s&cr=t é"}
            return 200, f"allow {self.tags}".strip() if known else "deny"
        return 200, "allow" if self.allows(path, fields) else "Deny"

    def asked(self, path, **wanted):
        return [fields for at, fields in self.calls if at == path and wanted.items() <= fields.items()]


PASSWORD = "s&cr=t é"


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def server(service):
    server = Server(service.answer)
    yield server
    service.slow.set()
    server.close()


def options_for(server, host="127.0.0.1"):
    names = ("user", "vhost", "resource", "topic")
    return [word for name in names for word in (f"--auth-http-{name}", server.url(f"/{name}", host))]


@pytest.fixture
def broker(own_broker, server):
    return own_broker(options=["--http", "127.0.0.1:0", *options_for(server)])


def connect(broker, user="ann", password=PASSWORD, **more):
    return pika.BlockingConnection(parameters(broker, user, password, **more))


def refused_text(channel, action, *arguments, **keywords):
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        action(*arguments, **keywords)
    assert refused.value.reply_code == 403
    return refused.value.reply_text


def test_who_is_allowed_does_what_it_may(broker, service):
    connection = connect(broker)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.topic", "eu.#")
    for _ in range(20):
        channel.basic_publish("amq.topic", "eu.orders", b"x", mandatory=True)
    assert channel.basic_get("q", auto_ack=True)[2] == b"x"
    named = channel.queue_declare("", exclusive=True).method.queue
    assert named.startswith("amq.gen-")
    channel.queue_unbind("q", "amq.topic", "eu.#")
    channel.queue_delete("q")
    connection.close()
    assert service.asked("/vhost", username="ann", vhost="/", ip="127.0.0.1", tags="")
    assert service.asked("/resource", resource="queue", name="q", permission="configure", vhost="/", username="ann")
    assert service.asked("/resource", resource="exchange", name="amq.topic", permission="write")
    assert service.asked("/resource", resource="queue", name=named, permission="configure")
    topics = service.asked("/topic", resource="topic", name="amq.topic", permission="write", routing_key="eu.orders")
    # Answers are remembered.
    assert len(topics) == 1 and len(service.asked("/user")) == 1


def test_what_is_denied_is_refused_in_the_brokers_words(broker, service):
    service.allows = lambda path, fields: fields.get("name") not in ("secret", "amq.fanout")
    connection = connect(broker)
    text = refused_text(None, connection.channel().queue_declare, "secret")
    assert "configure access to queue 'secret' in vhost '/' refused for user 'ann'" in text
    channel = connection.channel()
    channel.confirm_delivery()
    text = refused_text(None, channel.basic_publish, "amq.fanout", "", b"x")
    assert "write access to exchange 'amq.fanout'" in text
    service.allows = lambda path, fields: path != "/topic"
    channel = connection.channel()
    channel.confirm_delivery()
    text = refused_text(None, channel.basic_publish, "amq.topic", "eu", b"x")
    assert "write access to topic 'eu' in exchange 'amq.topic'" in text
    connection.close()


def test_a_vhost_that_is_denied_is_closed(broker, service):
    service.allows = lambda path, fields: path != "/vhost"
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError) as refused:
        connect(broker)
    assert "access to vhost '/' refused for user 'ann'" in str(refused.value)


def test_a_wrong_password_and_an_unknown_user_are_refused(broker, service):
    for user, password in (("ann", "wrong"), ("bob", PASSWORD), ("ann", "")):
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            connect(broker, user, password)
    connect(broker, "guest", "guest").close()
    assert not service.asked("/user", username="guest")
    log = broker.log_path.read_text()
    assert "HTTP: denied" in log and PASSWORD not in log


@pytest.mark.parametrize("answer", [(500, "allow"), (200, ""), (200, "yes"), (302, "allow"), (200, "allowed")])
def test_no_clear_answer_is_a_refusal(broker, service, answer):
    service.answer_with = answer
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        connect(broker)
    assert "the HTTP server that knows users" in broker.log_path.read_text()
    # What could not be found out is not remembered.
    service.answer_with = None
    connect(broker).close()


def test_a_server_that_does_not_answer_holds_up_nobody_else(broker, service):
    connection = connect(broker)
    service.slow.clear()
    outcome = []

    def ask():
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", "nowhere", b"")
            outcome.append("published")
        except pika.exceptions.AMQPError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    begin = time.monotonic()
    other = pika.BlockingConnection(parameters(broker))
    channel = other.channel()
    channel.confirm_delivery()
    channel.queue_declare("q")
    for _ in range(100):
        channel.basic_publish("", "q", b"x")
    other.close()
    assert time.monotonic() - begin < 4 and not outcome
    thread.join(15)
    # It fails closed, when its time is over.
    assert isinstance(outcome[0], pika.exceptions.ChannelClosedByBroker) and outcome[0].reply_code == 403
    connection.close()


def test_publishes_keep_their_order_while_rights_are_asked_for(broker, service):
    connection = connect(broker)
    channel = connection.channel()
    channel.queue_declare("q")
    for i in range(30):
        channel.queue_bind("q", "amq.topic", f"k{i}")
    for i in range(30):
        channel.basic_publish("amq.topic", f"k{i}", str(i).encode())
    channel.basic_publish("", "q", b"last")
    wait_until(lambda: channel.queue_declare("q", passive=True).method.message_count == 31)
    got = [channel.basic_get("q", auto_ack=True)[2] for _ in range(31)]
    assert got == [str(i).encode() for i in range(30)] + [b"last"]
    connection.close()


def test_a_right_that_is_taken_away_goes_when_its_answer_is_stale(own_broker, server, service):
    broker = own_broker(options=[*options_for(server), "--auth-http-cache", "1"])
    connection = connect(broker)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q")
    channel.basic_publish("", "q", b"x")
    service.allows = lambda path, fields: fields.get("permission") != "write"
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        for _ in range(100):
            channel.basic_publish("", "q", b"x")
            time.sleep(0.1)
    connection.close()


def test_the_http_api_asks_as_well(broker, service):
    api = Api(broker, "ann", PASSWORD)
    api("GET", "/whoami", expect=401)
    service.tags = "management monitoring"
    wait_until(lambda: api("GET", "/whoami").status == 200, 20)
    assert api.get("/whoami") == {"name": "ann", "tags": ["management", "monitoring"]}
    form = urlencode({"username": "ann", "password": PASSWORD}).encode()
    logged_in = api("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"}, expect=200)
    assert logged_in.json["user"] == {"name": "ann", "tags": ["management", "monitoring"], "is_internal_user": False}
    service.allows = lambda path, fields: fields.get("name") not in ("secret", "amq.fanout")
    api.put("/queues/%2F/q")
    assert api("PUT", "/queues/%2F/secret", {}).status in (401, 403)
    message = {"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "string"}
    assert api.post("/exchanges/%2F/amq.default/publish", message).json == {"routed": True}
    refused = api("POST", "/exchanges/%2F/amq.fanout/publish", message)
    assert refused.status in (401, 403), refused


def test_it_is_asked_over_tls_that_is_verified(own_broker, service, tmp_path):
    authority = Authority(tmp_path)
    server = Server(service.answer, authority.vouch("localhost", "DNS:localhost"))
    try:
        options = options_for(server, "localhost")
        broker = own_broker(options=[*options, "--auth-http-ca", str(authority.file)])
        connect(broker).close()
        asked = len(service.calls)
        doubting = own_broker(options=options)
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            connect(doubting)
        assert len(service.calls) == asked
    finally:
        server.close()


def test_passwords_do_not_go_over_the_network_in_clear(own_broker):
    options = [
        word for name in ("user", "vhost", "resource", "topic") for word in (f"--auth-http-{name}", "http://10.0.0.1/")
    ]
    broker = own_broker(options=options, start=False)
    with pytest.raises(AssertionError):
        broker.start()
    assert "is not https" in broker.log_path.read_text()
