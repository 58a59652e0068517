"""POST /api/queues/:vhost/:queue/move: messages to another queue, or back to where they died, and none of them lost."""

import http.client
import random
import threading
import time

import pika
import pytest

from harness.http import Api, segment
from harness.pika_tools import depth, get, parameters, publish, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ has no such route")
OPTIONS = ["--http", "127.0.0.1:0"]


@pytest.fixture
def move(broker):
    def post(queue, expect=200, user="guest", **body):
        answer = Api(broker, user)("POST", f"/queues/%2F/{segment(queue)}/move", body, expect=expect)
        return answer.json

    return post


@pytest.fixture
def dead_letters(channel, declare_queue, name):
    """A queue with `count` letters that died in another one; gives both, and the exchange that they came by."""

    def make(count):
        dead = declare_queue()
        work = declare_queue(dead_letter_exchange="", dead_letter_routing_key=dead)
        exchange = name("x")
        channel.exchange_declare(exchange, "topic", auto_delete=True)
        channel.queue_bind(work, exchange, "key.#")
        for i in range(count):
            properties = pika.BasicProperties(delivery_mode=2, message_id=str(i))
            channel.basic_publish(exchange, f"key.{i}", f"m{i}".encode(), properties)
        for method, _, _ in channel.consume(work, inactivity_timeout=5):
            channel.basic_reject(method.delivery_tag, requeue=False)
            if method.routing_key == f"key.{count - 1}":
                break
        channel.cancel()
        wait_until(lambda: depth(channel, dead) == count)
        return dead, work, exchange

    return make


def take_all(channel, queue):
    found = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return found
        found.append((method, properties, body))


def test_dead_letters_return_as_they_first_came(move, channel, dead_letters):
    dead, work, exchange = dead_letters(300)
    assert move(dead, to_origin=True) == {"moved": 300, "kept": 0, "reason": ""}
    assert depth(channel, dead) == 0
    found = take_all(channel, work)
    assert [body for _, _, body in found] == [f"m{i}".encode() for i in range(300)]
    method, properties, _ = found[7]
    assert (method.exchange, method.routing_key) == (exchange, "key.7")
    assert (properties.message_id, properties.delivery_mode) == ("7", 2)
    assert properties.headers["x-death"][0]["queue"] == work


def test_only_as_many_are_moved_as_asked_for_and_the_first_come_first(move, channel, declare_queue):
    source, to = declare_queue(), declare_queue()
    for i in range(10):
        publish(channel, source, str(i).encode())
    assert move(source, destination=to, count=4) == {"moved": 4, "kept": 0, "reason": ""}
    assert [body for _, _, body in take_all(channel, to)] == [b"0", b"1", b"2", b"3"]
    assert [body for _, _, body in take_all(channel, source)] == [b"4", b"5", b"6", b"7", b"8", b"9"]


def test_messages_that_did_not_die_keep_their_places(move, channel, dead_letters):
    dead, work, _ = dead_letters(2)
    publish(channel, dead, b"no letter")
    publish(channel, dead, b"nor this")
    moved = move(dead, to_origin=True)
    assert (moved["moved"], moved["kept"]) == (2, 2)
    assert "did not die" in moved["reason"]
    assert [body for _, _, body in take_all(channel, dead)] == [b"no letter", b"nor this"]
    assert depth(channel, work) == 2


def test_letters_stay_when_the_queue_they_died_in_is_gone(move, channel, dead_letters):
    dead, work, _ = dead_letters(3)
    channel.queue_delete(work)
    moved = move(dead, to_origin=True)
    assert (moved["moved"], moved["kept"]) == (0, 3)
    assert f"no queue '{work}'" in moved["reason"]
    assert [body for _, _, body in take_all(channel, dead)] == [b"m0", b"m1", b"m2"]


def test_messages_stay_when_the_other_queue_is_full(move, channel, declare_queue):
    source, to = declare_queue(), declare_queue(max_length=3, overflow="reject-publish")
    for i in range(200):
        publish(channel, source, str(i).encode())
    moved = move(source, destination=to, count=200)
    assert moved["moved"] == 3
    assert "full" in moved["reason"]
    assert [int(body) for _, _, body in take_all(channel, source)] == list(range(3, 200))
    assert [int(body) for _, _, body in take_all(channel, to)] == [0, 1, 2]


def test_bodies_and_properties_arrive_as_they_were(move, channel, declare_queue):
    source, to = declare_queue(), declare_queue()
    bodies = [b"", bytes(range(256)), b"x" * 3_000_000]
    properties = pika.BasicProperties(
        content_type="text/x", headers={"a": [1, {"b": b"\xff"}]}, priority=3, correlation_id="c", expiration="600000"
    )
    for body in bodies:
        channel.basic_publish("", source, body, properties)
    wait_until(lambda: depth(channel, source) == len(bodies))
    assert move(source, destination=to)["moved"] == len(bodies)
    for (_, arrived, body), sent in zip(take_all(channel, to), bodies, strict=True):
        assert body == sent
        assert (arrived.content_type, arrived.priority, arrived.correlation_id) == ("text/x", 3, "c")
        assert (arrived.expiration, arrived.headers) == ("600000", properties.headers)


def test_who_may_not_read_here_or_write_there_moves_nothing(move, broker, channel, declare_queue):
    source, to = declare_queue(), declare_queue()
    publish(channel, source, b"m")
    api = Api(broker)
    for user, right in (
        ("mover.reads", {"read": ".*", "write": "^$"}),
        ("mover.writes", {"read": "^$", "write": ".*"}),
    ):
        api.put(f"/users/{user}", {"password": user, "tags": "management"})
        api.put(f"/permissions/%2F/{user}", {"configure": "^$"} | right)
        assert move(source, expect=401, user=user, destination=to)["error"] == "not_authorized"
        assert (depth(channel, source), depth(channel, to)) == (1, 0)
    assert get(channel, source)[2] == b"m"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"to_origin": True, "destination": "x"}, 400),
        ({"destination": "self"}, 400),
        ({"destination": "missing"}, 404),
        ({"to_origin": True, "count": 0}, 400),
        ({"to_origin": True, "count": 10_001}, 400),
        ({"to_origin": "perhaps"}, 400),
    ],
)
def test_what_makes_no_sense_is_refused(move, declare_queue, body, status):
    queue = declare_queue()
    if body.get("destination") == "self":
        body = {"destination": queue}
    move(queue, expect=status, **body)
    move("missing", expect=404, to_origin=True)


@pytest.mark.slow
def test_a_kill_in_the_middle_loses_nothing(own_broker):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    broker = own_broker(["--http", "127.0.0.1:0"])
    count = 4000
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for queue in ("from", "to"):
            channel.queue_declare(queue, durable=True)
        # Confirms one by one would take a while.
        plain = connection.channel()
        for i in range(count):
            plain.basic_publish("", "from", str(i).encode(), pika.BasicProperties(delivery_mode=2))
        wait_until(lambda: depth(channel, "from") == count)
        channel.basic_publish("", "from", str(count).encode(), pika.BasicProperties(delivery_mode=2))
    answered = []

    def ask():
        try:
            answered.append(Api(broker)("POST", "/queues/%2F/from/move", {"destination": "to", "count": 10_000}).json)
        except (OSError, http.client.HTTPException):
            pass

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(rng.uniform(0.02, 0.3))
    broker.kill()
    thread.join()
    broker.start()
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        left, moved = ([int(body) for _, _, body in take_all(channel, queue)] for queue in ("from", "to"))
        print(f"{len(left)} left, {len(moved)} moved, {len(set(left) & set(moved))} in both")
        assert set(left) | set(moved) == set(range(count + 1))
        assert len(set(moved)) == len(moved)
