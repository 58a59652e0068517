"""How fast a user may publish."""

import time

import pika
import pytest

from harness.definitions import permission, user
from harness.http import Api
from harness.pika_tools import parameters

pytestmark = pytest.mark.millrace_only("the limit is ours")

OPTIONS = ["--http", "127.0.0.1:0"]
DEFINITIONS = {"users": [user("slow"), user("fast")], "permissions": [permission("slow"), permission("fast")]}


def seconds_to_publish(broker, name, count, connections=1):
    channels = [pika.BlockingConnection(parameters(broker, name, name)).channel() for _ in range(connections)]
    queue = channels[0].queue_declare("", exclusive=True).method.queue
    begun = time.monotonic()
    for number in range(0, count, 50):
        channel = channels[number // 50 % connections]
        for _ in range(50):
            channel.basic_publish("", queue, b"m")
        channel.exchange_declare("amq.direct", passive=True)  # answered when all before it was taken in
    taken = time.monotonic() - begun
    for channel in channels:
        channel.connection.close()
    return taken


def test_a_user_publishes_no_faster_than_its_limit_and_others_as_fast_as_they_can(broker):
    Api(broker).put("/user-limits/slow/max-publish-rate", {"value": 200})
    seconds_to_publish(broker, "slow", 200)
    assert seconds_to_publish(broker, "slow", 300) > 1
    assert seconds_to_publish(broker, "slow", 300, connections=3) > 1  # all of its connections together
    assert seconds_to_publish(broker, "fast", 3000) < 5
    listed = Api(broker).get("/user-limits/slow")
    assert listed == [{"user": "slow", "value": {"max-publish-rate": 200}}]


def test_a_limit_that_is_removed_holds_nobody_back(broker):
    Api(broker).put("/user-limits/fast/max-publish-rate", {"value": 10})
    Api(broker).delete("/user-limits/fast/max-publish-rate")
    assert seconds_to_publish(broker, "fast", 1000) < 5
