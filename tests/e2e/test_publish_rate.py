"""How fast a user may publish."""

import time
from concurrent.futures import ThreadPoolExecutor

import pika
import pytest

from harness.definitions import permission, user
from harness.http import Api, segment
from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("the limit is ours")

OPTIONS = ["--http", "127.0.0.1:0"]
DEFINITIONS = {"users": [user("slow"), user("fast")], "permissions": [permission("slow"), permission("fast")]}


@pytest.fixture(autouse=True)
def without_limits(broker):
    yield
    api = Api(broker)
    for one in [*api.get("/user-limits"), *api.get("/vhost-limits")]:
        kind, subject = ("user", one["user"]) if "user" in one else ("vhost", one["vhost"])
        for limit in one["value"]:
            api.delete(f"/{kind}-limits/{segment(subject)}/{limit}")


def seconds_to_publish(broker, name, count, connections=1, body=b"m"):
    channels = [pika.BlockingConnection(parameters(broker, name, name)).channel() for _ in range(connections)]
    queue = channels[0].queue_declare("", exclusive=True).method.queue
    begun = time.monotonic()
    for number in range(0, count, 50):
        channel = channels[number // 50 % connections]
        for _ in range(50):
            channel.basic_publish("", queue, body)
        channel.exchange_declare("amq.direct", passive=True)  # answered when all before it was taken in
    taken = time.monotonic() - begun
    for channel in channels:
        channel.connection.close()
    return taken


def test_a_user_publishes_no_faster_than_its_limit_and_others_as_fast_as_they_can(broker):
    Api(broker).put("/user-limits/slow/max-publish-rate", {"value": 200})
    seconds_to_publish(broker, "slow", 200)
    assert seconds_to_publish(broker, "slow", 300) > 1
    assert seconds_to_publish(broker, "slow", 600, connections=3) > 1  # all of its connections together
    assert seconds_to_publish(broker, "fast", 3000) < 5
    listed = Api(broker).get("/user-limits/slow")
    assert listed == [{"user": "slow", "value": {"max-publish-rate": 200}}]


def test_a_limit_that_is_removed_holds_nobody_back(broker):
    Api(broker).put("/user-limits/fast/max-publish-rate", {"value": 10})
    Api(broker).delete("/user-limits/fast/max-publish-rate")
    assert seconds_to_publish(broker, "fast", 1000) < 5


def test_a_user_publishes_no_more_bytes_than_its_limit(broker):
    Api(broker).put("/user-limits/slow/max-publish-byte-rate", {"value": 200_000})
    body = bytes(1000)
    assert seconds_to_publish(broker, "slow", 300, body=body) > 1
    assert seconds_to_publish(broker, "slow", 600, connections=3, body=body) > 1  # together
    assert seconds_to_publish(broker, "slow", 1000) < 5  # small ones are not held back
    Api(broker).delete("/user-limits/slow/max-publish-byte-rate")
    assert seconds_to_publish(broker, "slow", 1000, body=body) < 5


def test_each_connection_of_a_user_has_a_rate_of_its_own(broker):
    Api(broker).put("/user-limits/slow/max-connection-publish-rate", {"value": 200})
    one = seconds_to_publish(broker, "slow", 400)
    assert one > 1.5
    with ThreadPoolExecutor(4) as side_by_side:
        assert max(side_by_side.map(lambda _: seconds_to_publish(broker, "slow", 100), range(4))) < one * 0.75
    Api(broker).delete("/user-limits/slow/max-connection-publish-rate")
    Api(broker).put("/user-limits/slow/max-connection-publish-byte-rate", {"value": 200_000})
    assert seconds_to_publish(broker, "slow", 300, body=bytes(1000)) > 1
    Api(broker).delete("/user-limits/slow/max-connection-publish-byte-rate")


@pytest.mark.parametrize("limit, value, body", [("max-publish-rate", 200, b"m"), ("max-publish-byte-rate", 200_000, bytes(1000))])
def test_a_vhost_takes_no_more_than_its_limit_from_all_its_users(broker, limit, value, body):
    api = Api(broker)
    api.put(f"/vhost-limits/%2F/{limit}", {"value": value})
    seconds_to_publish(broker, "slow", 200, body=body)
    assert seconds_to_publish(broker, "fast", 300, body=body) > 1
    assert api.get("/vhost-limits/%2F") == [{"vhost": "/", "value": {limit: value}}]
    api.delete(f"/vhost-limits/%2F/{limit}")
    assert seconds_to_publish(broker, "fast", 1000, body=body) < 5


def test_limits_of_users_are_none_of_vhosts(broker):
    for path in ("/vhost-limits/%2F/max-connection-publish-rate", "/vhost-limits/%2F/max-channels", "/user-limits/slow/max-queues", "/user-limits/slow/rate"):
        assert Api(broker)("PUT", path, {"value": 1}).status == 400


def test_a_connection_that_is_ahead_is_shown_so_and_still_consumes(broker):
    api = Api(broker)
    api.put("/user-limits/slow/max-connection-publish-rate", {"value": 20})
    with pika.BlockingConnection(parameters(broker, "slow", "slow")) as connection:
        channel = connection.channel()
        channel.queue_declare("q")
        for _ in range(200):
            channel.basic_publish("", "q", b"m")
        with pika.BlockingConnection(parameters(broker, "slow", "slow")) as other:
            assert other.channel().queue_declare("q", passive=True).method.message_count < 200
        wait_until(lambda: "flow" in {one["state"] for one in api.get("/connections")}, describe=lambda: api.get("/connections"))
