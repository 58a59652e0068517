"""Logins by token (OAuth 2): as a password by AMQP, as Bearer by HTTP."""

import json
import os
import signal
import time

import pika
import pytest

from harness.certificates import Authority
from harness.http import Api
from harness.pika_tools import parameters, wait_until
from harness.tokens import Issuer, Server, base64url

pytestmark = pytest.mark.millrace_only("its options are ours")

EVERYTHING = ("read:*/*/*", "write:*/*/*", "configure:*/*")
LEEWAY = 30


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def keys_file(tmp_path, issuer):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(issuer.keys))
    return path


@pytest.fixture
def broker(own_broker, keys_file):
    options = ["--http", "127.0.0.1:0", "--oauth2-resource-server", "millrace", "--oauth2-keys", str(keys_file)]
    return own_broker(options=[*options, "--oauth2-issuer", "https://issuer.example"])


def connect(broker, token, user="", **more):
    return pika.BlockingConnection(parameters(broker, user, token, **more))


def log_of(broker):
    return broker.log_path.read_text()


def is_refused(broker, token, user=""):
    try:
        connect(broker, token, user).close()
    except pika.exceptions.ProbableAuthenticationError as refused:
        return "ACCESS_REFUSED" in str(refused)
    return False


def bearer(broker, token, method, path, body=None):
    return Api(broker)(method, path, body, headers={"Authorization": f"Bearer {token}"})


def test_who_has_a_token_may_do_what_its_scopes_say(broker, issuer):
    token = issuer.token("ann", ["configure:%2F/mine*", "write:%2F/mine*", "read:%2F/mine*", "write:%2F/amq.default"])
    connection = connect(broker, token)
    channel = connection.channel()
    channel.queue_declare("mine")
    channel.confirm_delivery()
    channel.basic_publish("", "mine", b"by token", mandatory=True)
    assert channel.basic_get("mine", auto_ack=True)[2] == b"by token"
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.queue_declare("theirs")
    assert refused.value.reply_code == 403
    assert "configure access to queue 'theirs' in vhost '/' refused for user 'ann'" in refused.value.reply_text
    channel = connection.channel()
    channel.confirm_delivery()
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.basic_publish("amq.fanout", "x", b"")
    assert refused.value.reply_code == 403
    connection.close()


def test_topics_are_judged_by_routing_key(broker, issuer):
    token = issuer.token("ann", ["write:*/amq.topic/eu.*", "read:*/*"])
    connection = connect(broker, token)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("amq.topic", "eu.orders", b"")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.basic_publish("amq.topic", "us.orders", b"")
    assert "write access to topic 'us.orders'" in refused.value.reply_text
    connection.close()


def test_without_a_scope_for_it_a_vhost_is_closed(broker, issuer):
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError) as refused:
        connect(broker, issuer.token("ann", ["read:other/*", "tag:administrator"]))
    assert "access to vhost '/' refused for user 'ann'" in str(refused.value)


def test_a_token_that_is_not_good_lets_nobody_in(broker, issuer, tmp_path):
    stranger = Issuer(tmp_path, kid="first")
    good = issuer.token("ann", EVERYTHING)
    header, claims, signature = good.split(".")
    unsigned = base64url(json.dumps({"alg": "none"}).encode())
    refused = {
        "signed by a stranger": stranger.token("ann", EVERYTHING),
        "ended": issuer.token("ann", EVERYTHING, seconds=-LEEWAY - 1),
        "for somebody else": issuer.token("ann", EVERYTHING, audience="others"),
        "of another issuer": issuer.token("ann", EVERYTHING, iss="https://elsewhere.example"),
        "not yet": issuer.token("ann", EVERYTHING, nbf=time.time() + 600),
        "unsigned": f"{unsigned}.{claims}.",
        "without signature": f"{header}.{claims}.",
        "changed": f"{header}.{claims[:-3]}{'A' if claims[-3] != 'A' else 'B'}{claims[-2:]}.{signature}",
    }
    for why, token in refused.items():
        assert is_refused(broker, token), why
        assert bearer(broker, token, "GET", "/whoami").status == 401, why
        # Each refusal makes the next login wait longer, until one is let in.
        assert not is_refused(broker, good)
    # Nor is any of it written down.
    log = log_of(broker)
    assert "token: it has ended" in log and "token: its signature is wrong" in log
    assert claims not in log and signature not in log


def test_the_http_api_takes_tokens_as_bearer_and_as_password(broker, issuer):
    token = issuer.token("ann", [*EVERYTHING, "tag:management"])
    who = bearer(broker, token, "GET", "/whoami")
    assert who.status == 200 and who.json == {"name": "ann", "tags": ["management"]}, who
    assert Api(broker, "", token).get("/whoami")["name"] == "ann"
    assert [vhost["name"] for vhost in bearer(broker, token, "GET", "/vhosts").json] == ["/"]
    assert bearer(broker, token, "PUT", "/queues/%2F/q", {}).status == 201
    assert bearer(broker, token, "GET", "/users").status == 401
    nobody = issuer.token("bob", EVERYTHING)
    assert bearer(broker, nobody, "GET", "/whoami").status == 401
    elsewhere = issuer.token("bob", ["read:other/*", "tag:management"])
    assert bearer(broker, elsewhere, "GET", "/vhosts").json == []
    assert bearer(broker, elsewhere, "GET", "/queues/%2F").status == 401
    admin = issuer.token("root", [*EVERYTHING, "tag:administrator"])
    assert bearer(broker, admin, "GET", "/users").status == 200


def test_a_connection_ends_with_its_token(broker, issuer):
    connection = connect(broker, issuer.token("ann", EVERYTHING, seconds=2 - LEEWAY))
    connection.channel().queue_declare("q")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.sleep(15)
    assert closed.value.reply_code == 320 and "credential expired" in closed.value.reply_text


def test_a_new_token_keeps_the_connection(broker, issuer):
    connection = connect(broker, issuer.token("ann", EVERYTHING, seconds=3 - LEEWAY))
    channel = connection.channel()
    channel.queue_declare("q")
    fewer = ["read:*/*", "write:*/amq.default"]
    connection.update_secret(issuer.token("ann", fewer, seconds=300), "renewed")
    connection.sleep(5)
    channel.basic_publish("", "q", b"still here")
    assert channel.basic_get("q", auto_ack=True)[2] == b"still here"
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.queue_declare("another")
    connection.close()


def test_a_new_token_of_somebody_else_ends_the_connection(broker, issuer):
    for token in (issuer.token("bob", EVERYTHING), "no token", issuer.token("ann", ["read:other/*"])):
        connection = connect(broker, issuer.token("ann", EVERYTHING))
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
            connection.update_secret(token, "renewed")
        assert closed.value.reply_code == 530
        assert "New secret was refused" in closed.value.reply_text


def test_users_of_the_brokers_own_still_log_in(broker, issuer):
    connect(broker, "guest", "guest").close()
    assert is_refused(broker, "wrong", "guest")
    assert Api(broker).get("/whoami")["name"] == "guest"
    # Whose name it goes by is the token's affair.
    connection = connect(broker, issuer.token("ann", EVERYTHING), "anybody")
    names = [item["user"] for item in wait_until(lambda: Api(broker).get("/connections?fresh=true"))]
    assert names == ["ann"]
    connection.close()


def test_new_keys_are_taken_on_sighup_and_when_a_token_needs_them(broker, issuer, keys_file, tmp_path):
    second, third = Issuer(tmp_path, "second"), Issuer(tmp_path, "third")
    keys_file.write_text(json.dumps({"keys": [issuer.jwk, second.jwk]}))
    assert not is_refused(broker, second.token("ann", EVERYTHING))
    # Looked for at most every five seconds: strangers do not decide how often.
    keys_file.write_text(json.dumps(third.keys))
    assert is_refused(broker, third.token("ann", EVERYTHING))
    os.kill(broker.pid, signal.SIGHUP)
    wait_until(lambda: not is_refused(broker, third.token("ann", EVERYTHING)))
    assert is_refused(broker, issuer.token("ann", EVERYTHING))
    # What cannot be used leaves all as it was.
    keys_file.write_text("{}")
    os.kill(broker.pid, signal.SIGHUP)
    wait_until(lambda: "nothing is reloaded" in log_of(broker))
    assert not is_refused(broker, third.token("ann", EVERYTHING))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def serve_keys(issuers, certificate):
    return Server(lambda *_: (200, json.dumps({"keys": [issuer.jwk for issuer in issuers]})), certificate)


def test_keys_come_from_a_url_that_is_verified(own_broker, issuer, authority, tmp_path):
    issuers = [issuer]
    certificate = authority.vouch("localhost", "DNS:localhost,IP:127.0.0.1")
    server = serve_keys(issuers, certificate)
    try:
        options = ["--oauth2-resource-server", "millrace", "--oauth2-keys", server.url("/jwks", "localhost")]
        broker = own_broker(options=[*options, "--oauth2-ca", str(authority.file)])
        wait_until(lambda: not is_refused(broker, issuer.token("ann", EVERYTHING)))
        before = len(server.asked)
        second = Issuer(tmp_path, "second")
        issuers.append(second)
        wait_until(lambda: not is_refused(broker, second.token("ann", EVERYTHING)), 20)
        assert len(server.asked) > before
        # Whom nobody vouches for is not believed, and the broker starts all the same.
        doubted = own_broker(options=options)
        assert is_refused(doubted, issuer.token("ann", EVERYTHING))
        assert "keys of tokens stay as they are" in log_of(doubted)
        connect(doubted, "guest", "guest").close()
    finally:
        server.close()


def test_a_certificate_of_another_host_is_not_believed(own_broker, issuer, authority):
    server = serve_keys([issuer], authority.vouch("elsewhere", "DNS:elsewhere"))
    try:
        options = ["--oauth2-resource-server", "millrace", "--oauth2-keys", server.url("/jwks", "localhost")]
        broker = own_broker(options=[*options, "--oauth2-ca", str(authority.file)])
        assert is_refused(broker, issuer.token("ann", EVERYTHING))
        assert not server.asked
    finally:
        server.close()


@pytest.mark.parametrize(
    "options, wanted",
    [
        (["--oauth2-keys", "keys.json"], "oauth2-resource-server"),
        (["--oauth2-resource-server", "millrace"], "oauth2-keys"),
        (["--oauth2-resource-server", "m", "--oauth2-keys", "http://issuer.example/keys"], "is not https"),
        (["--oauth2-resource-server", "m", "--oauth2-keys", "/nowhere/keys.json"], "cannot read '/nowhere/keys.json'"),
        (
            ["--oauth2-resource-server", "m", "--oauth2-keys", "k", "--oauth2-algorithm", "HS256"],
            "wants an oauth2-secret",
        ),
        (["--oauth2-resource-server", "m", "--oauth2-keys", "k", "--oauth2-algorithm", "none"], "no algorithm"),
    ],
)
def test_what_is_wrong_with_the_options_is_said(own_broker, options, wanted):
    broker = own_broker(options=options, start=False)
    with pytest.raises(AssertionError):
        broker.start()
    assert wanted in log_of(broker)
