"""What outlives a restart, and what was never promised to."""

import decimal

import pika
import pytest

from harness.pika_tools import PERSISTENT, depth, drain, get, parameters, refusal, wait_for_depth

PROPERTIES = pika.BasicProperties(
    delivery_mode=2,
    content_type="text/plain",
    correlation_id="c",
    expiration="3600000",
    timestamp=1,
    headers={"n": 1, "t": {"d": decimal.Decimal("2.5"), "a": ["x", 1 << 40, None]}, "o": b"\x00\xff"},
)


def open_channel(broker):
    channel = pika.BlockingConnection(parameters(broker)).channel()
    channel.confirm_delivery()
    return channel


@pytest.fixture(params=["stop", "kill"])
def restarted(request, own_broker):
    """restarted(before): runs before(channel), restarts the broker in the manner of the test, and returns a channel."""

    def restart(before):
        broker = own_broker()
        before(open_channel(broker))
        getattr(broker, request.param)()
        return open_channel(broker.start())

    return restart


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_persistent_messages_on_durable_queues_come_back_octet_for_octet(restarted, kind):
    bodies = [b"", b"small", bytes(range(256)) * 400, b"x" * (2 << 20)]

    def before(channel):
        channel.queue_declare("q", durable=True, arguments={"x-queue-type": kind})
        for body in bodies:
            channel.basic_publish("", "q", body, PROPERTIES)

    channel = restarted(before)
    wait_for_depth(channel, "q", len(bodies))
    for body in bodies:
        _, properties, got = get(channel, "q")
        assert got == body
        properties.headers.pop("x-delivery-count", None)  # of quorum queues, where it may come as 0
        assert properties == PROPERTIES


def test_what_was_acknowledged_stays_away_and_what_was_not_comes_back(restarted):
    def before(channel):
        channel.queue_declare("q", durable=True)
        for number in range(10):
            channel.basic_publish("", "q", str(number), PERSISTENT)
        tags = [get(channel, "q", auto_ack=False)[0].delivery_tag for _ in range(6)]
        channel.basic_ack(tags[1])
        channel.basic_ack(tags[4])
        channel.queue_declare("", exclusive=True)  # an answer, so the acks before it have arrived
        channel.connection.sleep(0.3)

    channel = restarted(before)
    wait_for_depth(channel, "q", 8)
    assert drain(channel, "q") == [str(number).encode() for number in (0, 2, 3, 5, 6, 7, 8, 9)]


@pytest.mark.parametrize("end, marks", [("stop", [True, True, False, False]), ("kill", [True] * 4)])
def test_what_a_consumer_held_comes_back_as_redelivered(own_broker, end, marks):
    """After a crash nobody knows what was delivered and not acknowledged: all of it may have been."""
    broker = own_broker()
    channel = open_channel(broker)
    channel.queue_declare("q", durable=True)
    for number in range(4):
        channel.basic_publish("", "q", str(number), PERSISTENT)
    for _ in range(2):
        get(channel, "q", auto_ack=False)
    getattr(broker, end)()
    channel = open_channel(broker.start())
    wait_for_depth(channel, "q", 4)
    assert [get(channel, "q")[0].redelivered for _ in range(4)] == marks


def test_transient_messages_and_queues_are_gone(restarted):
    def before(channel):
        channel.queue_declare("durable", durable=True)
        channel.queue_declare("transient")
        channel.basic_publish("", "durable", b"transient")
        channel.basic_publish("", "durable", b"persistent", PERSISTENT)

    channel = restarted(before)
    wait_for_depth(channel, "durable", 1)
    assert drain(channel, "durable") == [b"persistent"]
    assert refusal(channel.queue_declare, "transient", passive=True)[0] == 404


def test_exchanges_bindings_and_arguments_come_back(restarted):
    def before(channel):
        channel.exchange_declare("x", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
        channel.exchange_declare("gone", "topic")
        channel.exchange_declare("deleted", "topic", durable=True)
        channel.exchange_delete("deleted")
        channel.queue_declare("q", durable=True, arguments={"x-max-length": 2})
        channel.queue_bind("q", "x", "a.*")
        channel.queue_bind("q", "x", "b.*")
        channel.queue_unbind("q", "x", "b.*")
        channel.exchange_bind("x", "amq.topic", "#")

    channel = restarted(before)
    channel.exchange_declare("x", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
    channel.queue_declare("q", durable=True, arguments={"x-max-length": 2})
    channel.basic_publish("x", "b.1", b"no")
    channel.basic_publish("amq.topic", "a.1", b"yes")
    assert drain(channel, "q") == [b"yes"]
    for missing in ("gone", "deleted"):
        other = channel.connection.channel()
        assert refusal(other.exchange_declare, missing, passive=True)[0] == 404


def test_order_and_priorities_come_back(restarted):
    def before(channel):
        channel.queue_declare("q", durable=True, arguments={"x-max-priority": 5})
        for body, priority in (("low 1", 0), ("high 1", 5), ("low 2", 0), ("high 2", 5)):
            channel.basic_publish("", "q", body, pika.BasicProperties(delivery_mode=2, priority=priority))

    channel = restarted(before)
    wait_for_depth(channel, "q", 4)
    assert drain(channel, "q") == [b"high 1", b"high 2", b"low 1", b"low 2"]


def test_delivery_counts_come_back(restarted):
    def before(channel):
        channel.queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "q", b"m", PERSISTENT)
        for _ in range(2):
            channel.basic_reject(get(channel, "q", auto_ack=False)[0].delivery_tag, requeue=True)
        wait_for_depth(channel, "q", 1)
        channel.connection.sleep(0.3)

    headers = get(restarted(before), "q")[1].headers
    assert headers["x-delivery-count"] == 2


def test_deaths_come_back(restarted):
    def before(channel):
        channel.queue_declare("dead", durable=True)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
        channel.queue_declare("q", durable=True, arguments=arguments)
        channel.basic_publish("", "q", b"m", PERSISTENT)
        channel.basic_reject(get(channel, "q", auto_ack=False)[0].delivery_tag, requeue=False)
        wait_for_depth(channel, "dead", 1)
        channel.connection.sleep(0.3)

    headers = get(restarted(before), "dead")[1].headers
    assert headers["x-death"][0]["queue"] == "q"


def test_time_runs_on_while_the_broker_is_down(restarted):
    def before(channel):
        channel.queue_declare("q", durable=True)
        channel.basic_publish("", "q", b"m", pika.BasicProperties(delivery_mode=2, expiration="300"))

    channel = restarted(before)
    channel.connection.sleep(0.4)
    assert depth(channel, "q") == 0


@pytest.mark.millrace_only("the peer has no delayed messages")
def test_delayed_messages_come_back(restarted):
    def before(channel):
        channel.exchange_declare("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": "fanout"})
        channel.queue_declare("q", durable=True)
        channel.queue_bind("q", "later")
        channel.basic_publish("later", "", b"m", pika.BasicProperties(delivery_mode=2, headers={"x-delay": 1500}))

    channel = restarted(before)
    assert get(channel, "q")[2] == b"m"
