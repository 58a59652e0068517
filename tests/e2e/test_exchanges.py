"""Where a message goes: exchange types, bindings, copies."""

import collections

import pika
import pytest

from conftest import giving_up_after
from harness.pika_tools import depth, drain, get, get_bodies, refusal, wait_for_depth, wait_until


@pytest.fixture
def declare(channel, name):
    """declare("topic", **more) makes an exchange that goes with the test."""
    made = []

    def make(kind, **more):
        exchange = name(kind)
        channel.exchange_declare(exchange, kind, **more)
        made.append(exchange)
        return exchange

    yield make
    with giving_up_after(5):
        for exchange in made:
            channel.exchange_delete(exchange)


@pytest.fixture
def bound(channel):
    """bound(exchange, key, arguments) makes a queue with that binding."""

    def make(exchange, key="", arguments=None):
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, exchange, key, arguments)
        return queue

    return make


def reached(channel, queues):
    """Which of the queues hold a message, after the publishes before have been confirmed."""
    return [depth(channel, queue) > 0 for queue in queues]


def publish(channel, exchange, key="", headers=None, **more):
    if not channel._delivery_confirmation:
        channel.confirm_delivery()
    channel.basic_publish(exchange, key, b"m", pika.BasicProperties(headers=headers, **more))


@pytest.mark.parametrize(
    "exchange, kind",
    [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
        ("amq.rabbitmq.trace", "topic"),
    ],
)
def test_predeclared_exchanges_are_there(channel, exchange, kind):
    channel.exchange_declare(exchange, kind, passive=True)
    channel.exchange_declare(exchange, kind, durable=True, internal=exchange == "amq.rabbitmq.trace")


def test_direct_goes_to_the_queues_bound_by_that_key(channel, declare, bound):
    exchange = declare("direct")
    queues = [bound(exchange, "a"), bound(exchange, "a"), bound(exchange, "b")]
    publish(channel, exchange, "a")
    assert reached(channel, queues) == [True, True, False]


def test_fanout_goes_to_all(channel, declare, bound):
    exchange = declare("fanout")
    queues = [bound(exchange, "a"), bound(exchange)]
    publish(channel, exchange, "whatever")
    assert reached(channel, queues) == [True, True]


@pytest.mark.parametrize(
    "pattern, matching, other",
    [
        ("a.b", ["a.b"], ["a", "a.b.c", "a.c", "A.b"]),
        ("a.*", ["a.b", "a."], ["a", "a.b.c"]),
        ("*", ["a"], ["", "a.b"]),
        ("#", ["", "a", "a.b.c"], []),
        ("a.#", ["a", "a.b", "a.b.c"], ["b", "aa"]),
        ("#.b", ["b", "a.b", "a.a.b"], ["a.b.c"]),
        ("a.#.b", ["a.b", "a.x.b", "a.x.y.b"], ["a", "a.x", "b"]),
        ("*.*", ["a.b", ".", "a."], ["a", "a.b.c"]),
        ("#.#", ["", "a", "a.b"], []),
        ("*.#", ["a", "a.b"], [""]),
        ("a.*.#.c", ["a.b.c", "a.b.x.c"], ["a.c"]),
        ("", [""], ["a"]),
        ("ab*", ["ab*"], ["abc"]),
    ],
)
def test_topic_patterns(channel, declare, bound, pattern, matching, other):
    exchange = declare("topic")
    queue = bound(exchange, pattern)
    for key in matching + other:
        channel.basic_publish(exchange, key, key)
    assert {body.decode() for body in drain(channel, queue)} == {key for key in matching}


def test_a_queue_bound_twice_gets_a_message_once(channel, declare, bound):
    exchange = declare("topic")
    queue = bound(exchange, "a.*")
    channel.queue_bind(queue, exchange, "#")
    publish(channel, exchange, "a.b")
    assert depth(channel, queue) == 1


@pytest.mark.parametrize(
    "binding, matching, other",
    [
        (
            {"x-match": "all", "a": 1, "b": 2},
            [{"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}],
            [{"a": 1}, {"a": 1, "b": 3}, {}],
        ),
        ({"a": 1, "b": 2}, [{"a": 1, "b": 2}], [{"a": 1}]),
        ({"x-match": "any", "a": 1, "b": 2}, [{"a": 1}, {"b": 2, "c": 1}], [{"a": 2}, {}]),
        ({"x-match": "all", "x-a": 1, "b": 2}, [{"b": 2}], [{"x-a": 1}]),
        ({"x-match": "any", "x-a": 1, "b": 2}, [{"b": 2}], [{"x-a": 1}]),
        ({"x-match": "all-with-x", "x-a": 1, "b": 2}, [{"x-a": 1, "b": 2}], [{"b": 2}, {"x-a": 2, "b": 2}]),
        ({"x-match": "any-with-x", "x-a": 1, "b": 2}, [{"x-a": 1}, {"b": 2}], [{"c": 1}]),
        ({"x-match": "all", "a": "text"}, [{"a": "text"}], [{"a": "Text"}, {"a": 1}]),
        ({"x-match": "all", "a": None}, [{"a": None}, {"a": 5}], [{"b": 5}]),
        ({"x-match": "all"}, [{}, {"a": 1}], []),
        ({"x-match": "any"}, [], [{}, {"a": 1}]),
    ],
    ids=repr,
)
def test_headers_matching(channel, declare, bound, binding, matching, other):
    exchange = declare("headers")
    queue = bound(exchange, "", binding)
    for headers in matching + other:
        channel.basic_publish(exchange, "", repr(headers), pika.BasicProperties(headers=headers))
    assert [body.decode() for body in drain(channel, queue)] == [repr(headers) for headers in matching]


def test_an_unknown_way_to_match_is_refused(channel, declare, bound, connect):
    exchange = declare("headers")
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert refusal(channel.queue_bind, queue, exchange, "", {"x-match": "most"})[0] == 406


def test_unbind_ends_it_and_unbinding_again_is_fine(channel, declare, bound):
    exchange = declare("direct")
    queue = bound(exchange, "a")
    for _ in range(2):
        channel.queue_unbind(queue, exchange, "a")
    publish(channel, exchange, "a")
    assert depth(channel, queue) == 0


def test_bindings_differ_by_their_arguments(channel, declare, bound):
    exchange = declare("headers")
    queue = bound(exchange, "", {"a": 1})
    channel.queue_bind(queue, exchange, "", {"a": 2})
    channel.queue_unbind(queue, exchange, "", {"a": 1})
    publish(channel, exchange, headers={"a": 2})
    assert depth(channel, queue) == 1
    publish(channel, exchange, headers={"a": 1})
    assert depth(channel, queue) == 1


def test_bindings_go_with_their_queue(channel, declare, connect, name):
    exchange, queue = declare("direct"), name()
    for _ in range(2):
        channel.queue_declare(queue)
        channel.queue_delete(queue)
        channel.queue_declare(queue)
        publish(channel, exchange, "k")
        assert depth(channel, queue) == 0
        channel.queue_bind(queue, exchange, "k")
        publish(channel, exchange, "k")
        assert depth(channel, queue) == 1
        channel.queue_delete(queue)


def test_exchanges_are_bound_to_exchanges(channel, declare, bound):
    first, second = declare("topic"), declare("fanout")
    queue = bound(second)
    channel.exchange_bind(destination=second, source=first, routing_key="a.*")
    publish(channel, first, "a.b")
    publish(channel, first, "b.b")
    assert depth(channel, queue) == 1
    channel.exchange_unbind(destination=second, source=first, routing_key="a.*")
    publish(channel, first, "a.b")
    assert depth(channel, queue) == 1


def test_a_circle_of_exchanges_ends_and_delivers_once(channel, declare, bound):
    first, second = declare("fanout"), declare("fanout")
    channel.exchange_bind(second, first)
    channel.exchange_bind(first, second)
    queue = bound(first)
    channel.queue_bind(queue, second)
    publish(channel, first)
    assert depth(channel, queue) == 1


def test_an_alternate_exchange_takes_what_nothing_else_took(channel, declare, bound):
    spare = declare("fanout")
    exchange = declare("direct", arguments={"alternate-exchange": spare})
    main, rest = bound(exchange, "known"), bound(spare)
    publish(channel, exchange, "known")
    publish(channel, exchange, "unknown")
    assert (depth(channel, main), depth(channel, rest)) == (1, 1)


def test_a_message_that_the_alternate_took_is_not_returned(channel, declare, bound):
    spare = declare("fanout")
    exchange = declare("direct", arguments={"alternate-exchange": spare})
    bound(spare)
    channel.confirm_delivery()
    channel.basic_publish(exchange, "unknown", b"", mandatory=True)  # would raise


def test_an_internal_exchange_is_reached_through_another(channel, declare, bound):
    inner, outer = declare("fanout", internal=True), declare("fanout")
    queue = bound(inner)
    channel.exchange_bind(inner, outer)
    publish(channel, outer)
    assert depth(channel, queue) == 1


def test_an_auto_delete_exchange_goes_with_its_last_binding(connect, channel, name):
    exchange = name()
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "a")
    channel.queue_bind(queue, exchange, "b")
    channel.queue_unbind(queue, exchange, "a")
    channel.exchange_declare(exchange, passive=True)
    channel.queue_unbind(queue, exchange, "b")
    assert refusal(channel.exchange_declare, exchange, passive=True)[0] == 404


def test_an_exchange_in_use_is_kept_if_asked(channel, declare, bound, connect):
    exchange = declare("fanout")
    bound(exchange)
    assert refusal(connect().channel().exchange_delete, exchange, if_unused=True) == (
        406,
        f"PRECONDITION_FAILED - exchange '{exchange}' in vhost '/' in use",
    )


@pytest.mark.parametrize(
    "kind, more, argument, difference",
    [
        ("topic", {}, "type", "received 'topic' but current is 'direct'"),
        ("direct", {"durable": True}, "durable", "received 'true' but current is 'false'"),
        ("direct", {"auto_delete": True}, "auto_delete", "received 'true' but current is 'false'"),
        ("direct", {"internal": True}, "internal", "received 'true' but current is 'false'"),
        (
            "direct",
            {"arguments": {"alternate-exchange": "a"}},
            "alternate-exchange",
            "received the value 'a' of type 'longstr' but current is none",
        ),
    ],
)
def test_declaring_an_exchange_differently_is_refused(channel, declare, connect, kind, more, argument, difference):
    exchange = declare("direct")
    channel.exchange_declare(exchange, "direct")
    code, text = refusal(connect().channel().exchange_declare, exchange, kind, **more)
    full = f"PRECONDITION_FAILED - inequivalent arg '{argument}' for exchange '{exchange}' in vhost '/': {difference}"
    assert (code, text) == (406, full)


# -- copies --


def test_copies_go_to_further_keys_and_keep_saying_so(channel, declare, bound):
    exchange = declare("direct")
    queues = [bound(exchange, key) for key in "abc"]
    publish(channel, exchange, "a", headers={"CC": ["b"], "BCC": ["c"]})
    for queue in queues:
        _, properties, _ = get(channel, queue)
        assert properties.headers == {"CC": ["b"]}


def test_copies_work_for_the_default_exchange(channel):
    first, second = (channel.queue_declare("", exclusive=True).method.queue for _ in range(2))
    publish(channel, "", first, headers={"CC": [second, first]})
    assert (depth(channel, first), depth(channel, second)) == (1, 1)


# -- more types --


def test_consistent_hash_keeps_a_key_on_one_queue_and_shares_keys_by_weight(channel, declare, bound):
    exchange = declare("x-consistent-hash")
    light, heavy = bound(exchange, "1"), bound(exchange, "3")
    for number in range(800):
        channel.basic_publish(exchange, f"key {number % 400}", f"{number % 400}")
    bodies = {queue: drain(channel, queue) for queue in (light, heavy)}
    counts = [collections.Counter(bodies[queue]) for queue in (light, heavy)]
    assert sum(map(len, counts)) == 400, "every key is on exactly one queue"
    assert all(count == 2 for counter in counts for count in counter.values())
    assert 1.2 < len(counts[1]) / len(counts[0]) < 8


def test_consistent_hash_can_go_by_a_header(channel, declare, bound):
    exchange = declare("x-consistent-hash", arguments={"hash-header": "customer"})
    queues = [bound(exchange, "1") for _ in range(2)]
    for number in range(100):
        headers = {"customer": f"c{number % 10}"}
        channel.basic_publish(exchange, f"key {number}", f"{number % 10}", pika.BasicProperties(headers=headers))
    held = [set(drain(channel, queue)) for queue in queues]
    assert not held[0] & held[1] and len(held[0] | held[1]) == 10


def test_consistent_hash_can_go_by_a_property(channel, declare, bound):
    exchange = declare("x-consistent-hash", arguments={"hash-property": "message_id"})
    queues = [bound(exchange, "1") for _ in range(2)]
    for number in range(100):
        properties = pika.BasicProperties(message_id=f"m{number % 10}")
        channel.basic_publish(exchange, f"key {number}", f"{number % 10}", properties)
    held = [set(drain(channel, queue)) for queue in queues]
    assert not held[0] & held[1] and len(held[0] | held[1]) == 10


def test_consistent_hash_refuses_a_weight_that_is_no_number(channel, declare):
    exchange = declare("x-consistent-hash")
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert refusal(channel.queue_bind, queue, exchange, "heavy")[0] == 406


def test_random_picks_one_queue_a_message_and_all_over_time(channel, declare, bound):
    exchange = declare("x-random")
    queues = [bound(exchange) for _ in range(3)]
    for _ in range(120):
        publish(channel, exchange)
    counts = [depth(channel, queue) for queue in queues]
    assert sum(counts) == 120
    assert min(counts) > 10


def test_modulus_hash_keeps_a_key_on_one_queue(channel, declare, bound):
    exchange = declare("x-modulus-hash")
    queues = [bound(exchange) for _ in range(3)]
    for number in range(120):
        channel.basic_publish(exchange, f"key {number % 40}", f"{number % 40}")
    held = [set(drain(channel, queue)) for queue in queues]
    assert sum(map(len, held)) == 40 and all(held)


def test_recent_history_gives_a_new_queue_the_latest(channel, declare, bound):
    exchange = declare("x-recent-history", arguments={"x-recent-history-length": 3})
    for number in range(5):
        channel.basic_publish(exchange, "", str(number))
    queue = bound(exchange)
    wait_for_depth(channel, queue, 3)
    assert drain(channel, queue) == [b"2", b"3", b"4"]


def test_recent_history_keeps_no_message_that_asks_not_to_be_kept(channel, declare, bound):
    exchange = declare("x-recent-history")
    publish(channel, exchange, headers={"x-recent-history-no-store": True})
    publish(channel, exchange)
    queue = bound(exchange)
    wait_for_depth(channel, queue, 1)


delayed_only = pytest.mark.millrace_only("RabbitMQ has delayed messages by a plug-in that Debian does not ship")


@delayed_only
def test_a_delayed_message_comes_when_its_time_has_come(channel, declare_delayed, bound):
    exchange = declare_delayed("direct")
    queue = bound(exchange, "k")
    for delay in (600, 300, 0):
        properties = pika.BasicProperties(headers={"x-delay": delay})
        channel.basic_publish(exchange, "k", str(delay), properties)
    assert get_bodies(channel, queue, 1, seconds=0.25) == [b"0"]
    assert get_bodies(channel, queue, 2) == [b"300", b"600"]


@pytest.fixture
def declare_delayed(channel, name):
    def make(kind):
        exchange = name("delayed")
        channel.exchange_declare(exchange, "x-delayed-message", arguments={"x-delayed-type": kind})
        return exchange

    return make


@delayed_only
def test_a_delayed_exchange_routes_as_the_type_it_is_told(channel, declare_delayed, bound):
    exchange = declare_delayed("topic")
    queue, other = bound(exchange, "a.*"), bound(exchange, "b.*")
    publish(channel, exchange, "a.b", headers={"x-delay": 50})
    wait_until(lambda: depth(channel, queue) == 1)
    assert depth(channel, other) == 0


@delayed_only
def test_a_message_without_a_delay_goes_at_once(channel, declare_delayed, bound):
    exchange = declare_delayed("fanout")
    queue = bound(exchange)
    publish(channel, exchange)
    assert depth(channel, queue) == 1


@delayed_only
def test_a_delayed_exchange_must_be_told_its_type(channel, name):
    assert refusal(channel.exchange_declare, name(), "x-delayed-message")[0] == 406
