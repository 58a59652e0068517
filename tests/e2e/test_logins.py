"""Logging in: SCRAM, and what guessing costs."""

import threading
import time

import pika
import pytest
from pamqp import commands

from harness.definitions import permission, user
from harness.http import Api
from harness.pika_tools import parameters
from harness.raw import RawConnection
from harness.scram import Scram

pytestmark = pytest.mark.millrace_only("SCRAM and the delays are ours")

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
DEFINITIONS = {
    "users": [
        {"name": "ann", "password": "s3cret, word=1", "tags": ""},
        {"name": "a,b=c", "password": "p", "tags": ""},
        user("imported"),
        {"name": "none", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""},
    ],
    "permissions": [permission("ann"), permission("a,b=c"), permission("imported")],
}
REFUSED = "ACCESS_REFUSED - Login was refused using authentication mechanism {}. For details see the broker logfile."


@pytest.fixture
def raw(broker):
    with RawConnection(broker) as connection:
        yield connection


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def scram_login(raw, mechanism, name, password, **more):
    """Up to connection.tune; a refusal is the caller's to read."""
    raw.start()
    client = Scram(mechanism, name, password)
    raw.login(mechanism, client.first())
    challenge = text(raw.expect(commands.Connection.Secure).challenge)
    raw.send(commands.Connection.SecureOk(client.final(challenge, **more)))
    return client


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name, password", [("ann", "s3cret, word=1"), ("a,b=c", "p")])
def test_scram_lets_in_who_knows_the_password_and_proves_that_the_broker_does(raw, mechanism, name, password):
    client = scram_login(raw, mechanism, name, password)
    assert text(raw.expect(commands.Connection.Secure).challenge) == client.expected
    raw.send(commands.Connection.SecureOk(""))
    raw.expect(commands.Connection.Tune)
    raw.send(commands.Connection.TuneOk(2047, 131072, 0))
    raw.ask(commands.Connection.Open("/"), commands.Connection.OpenOk)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    "name, password",
    [
        ("ann", "wrong"),
        ("ann", ""),
        ("nobody", ""),
        ("none", ""),
        ("imported", "imported"),  # RabbitMQ's hash cannot serve SCRAM
    ],
)
def test_scram_refuses_all_others_alike(raw, mechanism, name, password):
    scram_login(raw, mechanism, name, password)
    assert raw.refusal() == (403, REFUSED.format(mechanism))


@pytest.mark.parametrize("name", ["imported", "nobody", "none"])
def test_scram_tells_nobody_who_is_unknown(broker, name):
    """The salt of one that there is not stays the same, as a real one does."""
    challenges = set()
    for _ in range(2):
        with RawConnection(broker) as raw:
            raw.start()
            raw.login("SCRAM-SHA-256", Scram("SCRAM-SHA-256", name, "").first())
            challenge = text(raw.expect(commands.Connection.Secure).challenge)
            challenges.add(challenge.split(",", 1)[1])
    assert len(challenges) == 1
    assert challenges.pop().endswith(",i=100000")


def test_scram_checks_the_nonce(raw):
    scram_login(raw, "SCRAM-SHA-256", "ann", "s3cret, word=1", nonce="x" * 40)
    assert raw.refusal() == (403, REFUSED.format("SCRAM-SHA-256"))


@pytest.mark.parametrize("first", ["", "n,,n=ann", "n,a=imported,n=ann,r=x", "p=tls-unique,,n=ann,r=x", "n,,n=ann,r=" + "x" * 9000])
def test_scram_refuses_messages_that_are_none(raw, first):
    raw.start()
    raw.login("SCRAM-SHA-256", first)
    assert raw.refusal() == (403, REFUSED.format("SCRAM-SHA-256"))


def test_scram_lets_nobody_skip_its_steps(broker):
    with RawConnection(broker) as raw:
        raw.start()
        raw.login("SCRAM-SHA-256", Scram("SCRAM-SHA-256", "ann", "x").first())
        raw.expect(commands.Connection.Secure)
        raw.send(commands.Connection.TuneOk(2047, 131072, 0))
        assert raw.refusal()[0] == 504
    with RawConnection(broker) as raw:
        raw.start()
        raw.login("SCRAM-SHA-256", Scram("SCRAM-SHA-256", "ann", "x").first())
        raw.expect(commands.Connection.Secure)
        raw.send(commands.Connection.SecureOk(""))
        assert raw.refusal()[0] == 403


def test_a_password_that_is_set_anew_serves_scram(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"], definitions={"users": [user("old")]})
    Api(broker).put("/users/old", {"password": "new", "tags": ""})
    with RawConnection(broker) as raw:
        scram_login(raw, "SCRAM-SHA-512", "old", "new")
        raw.expect(commands.Connection.Secure)


def attempt(broker, name, password):
    begun = time.monotonic()
    with RawConnection(broker, seconds=20) as raw:
        raw.start()
        raw.login("PLAIN", f"\0{name}\0{password}")
        answer = raw.receive()
    return isinstance(answer, commands.Connection.Tune), time.monotonic() - begun


def test_failed_logins_take_longer_each_time_and_one_that_is_right_ends_that(own_broker):
    broker = own_broker(definitions=DEFINITIONS)
    taken = [attempt(broker, "ann", f"guess{n}")[1] for n in range(4)]
    assert taken[3] > 0.75  # 100, 200, 400, 800 ms
    assert taken[0] < taken[3]
    # Who was in is not kept out, and others are not slowed.
    accepted, seconds = attempt(broker, "imported", "imported")
    assert accepted and seconds < 0.7
    assert attempt(broker, "ann", "s3cret, word=1")[0]
    assert attempt(broker, "ann", "wrong again")[1] < 0.75


def test_guesses_made_side_by_side_wait_for_each_other_and_nobody_else_does(own_broker):
    broker = own_broker(options=["--handshake-timeout", "20000"], definitions=DEFINITIONS)
    connection = pika.BlockingConnection(parameters(broker))
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(attempt(broker, "ann", f"g{n}"))) for n in range(6)]
    for thread in threads:
        thread.start()
    channel = connection.channel()
    begun = time.monotonic()
    for _ in range(50):
        channel.queue_declare("", exclusive=True)
    assert time.monotonic() - begun < 5  # the shard does other things meanwhile
    for thread in threads:
        thread.join()
    assert not any(accepted for accepted, _ in results)
    assert max(seconds for _, seconds in results) > 2  # the sixth waits for those before
