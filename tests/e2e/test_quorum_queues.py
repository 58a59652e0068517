"""Queues of type quorum: RabbitMQ's rules for them, delivery limits, and retries that wait."""

import time

import pytest

from harness.pika_tools import confirmed, depth, get, get_bodies, publish, refusal, wait_for_depth, wait_until


@pytest.mark.parametrize(
    "more, property_name",
    [
        ({"durable": False}, "non-durable"),
        ({"auto_delete": True}, "auto-delete"),
        ({"exclusive": True}, "exclusive-owner"),
    ],
)
def test_a_quorum_queue_is_durable_and_shared(connect, name, more, property_name):
    queue = name()[-50:]
    options = {"durable": True, "arguments": {"x-queue-type": "quorum"}} | more
    assert refusal(connect().channel().queue_declare, queue, **options) == (
        406,
        f"PRECONDITION_FAILED - invalid property '{property_name}' for queue '{queue}' in vhost '/'",
    )


def test_a_quorum_queue_has_no_priority_argument(channel, name):
    queue = name()[-50:]
    arguments = {"x-queue-type": "quorum", "x-max-priority": 5}
    assert refusal(channel.queue_declare, queue, durable=True, arguments=arguments) == (
        406,
        f"PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '{queue}' in vhost '/'"
        " of queue type rabbit_quorum_queue",
    )


def test_a_classic_queue_has_no_delivery_limit(channel, name):
    queue = name()[-50:]
    code, text = refusal(channel.queue_declare, queue, durable=True, arguments={"x-delivery-limit": 5})
    assert code == 406
    assert text.startswith(f"PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue '{queue}' in vhost '/'")


def test_the_type_of_a_queue_cannot_be_changed(connect, channel, declare_queue):
    queue = declare_queue(queue_type="quorum")
    code, text = refusal(connect().channel().queue_declare, queue, durable=True, arguments={"x-queue-type": "classic"})
    assert code == 406
    assert "inequivalent arg 'x-queue-type'" in text


def test_a_quorum_queue_counts_deliveries_in_a_header(channel, declare_queue):
    queue = declare_queue(queue_type="quorum")
    publish(channel, queue, b"m", headers={"mine": 1})
    seen = []
    for _ in range(3):
        method, properties, _ = get(channel, queue, auto_ack=False)
        seen.append(properties.headers.get("x-delivery-count"))
        channel.basic_reject(method.delivery_tag, requeue=True)
    assert seen[0] in (None, 0)
    assert seen[1:] == [1, 2]


def test_a_message_beyond_its_delivery_limit_is_dead_lettered(channel, declare_queue):
    dead = declare_queue()
    queue = declare_queue(queue_type="quorum", delivery_limit=2, dead_letter_exchange="", dead_letter_routing_key=dead)
    publish(channel, queue, b"poison")
    for _ in range(3):
        channel.basic_reject(get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=True)
    _, properties, body = get(channel, dead)
    assert body == b"poison"
    assert properties.headers["x-death"][0]["reason"] == "delivery_limit"
    assert depth(channel, queue) == 0


@pytest.mark.differs_from_310("has no delivery limit unless one is given")
def test_a_quorum_queue_gives_up_a_message_after_20_redeliveries(channel, declare_queue):
    queue = declare_queue(queue_type="quorum")
    publish(channel, queue, b"poison")
    for _ in range(21):
        channel.basic_reject(get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=True)
    channel.connection.sleep(0.2)
    assert channel.basic_get(queue)[0] is None


def test_a_quorum_queue_confirms_and_limits_as_others_do(channel, declare_queue):
    queue = declare_queue(queue_type="quorum", max_length=2, message_ttl=60000)
    channel.confirm_delivery()
    for body in (b"a", b"b", b"c"):
        assert confirmed(channel, queue, body)
    wait_until(lambda: depth(channel, queue) == 2)
    assert get_bodies(channel, queue, 2) == [b"b", b"c"]


def test_a_quorum_queue_is_not_deleted_on_conditions(channel, connect, declare_queue):
    queue = declare_queue(queue_type="quorum")
    assert refusal(connect().channel().queue_delete, queue, if_unused=True)[0] == 540
    assert refusal(connect().channel().queue_delete, queue, if_empty=True)[0] == 540


retry_only = pytest.mark.millrace_only("delayed retry came with RabbitMQ 4.3")


@retry_only
def test_a_failed_message_is_retried_after_a_delay_that_grows(channel, declare_queue):
    queue = declare_queue(queue_type="quorum", delayed_retry_type="all", delayed_retry_min=200, delayed_retry_max=10000)
    publish(channel, queue, b"again")
    waits = []
    for _ in range(3):
        channel.basic_reject(get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=True)
        waits.append(seconds_until_ready(channel, queue))
    assert waits[0] > 0.15
    assert waits[1] > waits[0] + 0.1 and waits[2] > waits[1] + 0.1


def seconds_until_ready(channel, queue):
    began = time.monotonic()
    wait_for_depth(channel, queue, 1)
    return time.monotonic() - began


@retry_only
def test_retries_are_never_further_apart_than_the_maximum(channel, declare_queue):
    queue = declare_queue(queue_type="quorum", delayed_retry_type="all", delayed_retry_min=100, delayed_retry_max=150)
    publish(channel, queue, b"again")
    for _ in range(4):
        channel.basic_reject(get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=True)
        assert seconds_until_ready(channel, queue) < 0.6


@retry_only
def test_others_pass_a_message_that_waits_for_its_retry(channel, declare_queue):
    queue = declare_queue(queue_type="quorum", delayed_retry_type="all", delayed_retry_min=5000, delayed_retry_max=5000)
    publish(channel, queue, b"failing", b"fine")
    channel.basic_reject(get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=True)
    assert get(channel, queue)[2] == b"fine"
    assert channel.basic_get(queue)[0] is None
