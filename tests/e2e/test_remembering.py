"""Exchanges that remember: reached by whatever way, on whatever shard, and through restarts and floods."""

import itertools
import time

import pika
import pytest

from harness.pika_tools import (
    Inbox,
    depth,
    drain,
    get,
    get_bodies,
    parameters,
    wait_for_depth,
    wait_until,
)

pytestmark = pytest.mark.millrace_only("RabbitMQ has these exchanges by plug-ins that Debian does not ship")

FANOUT = {"x-delayed-type": "fanout"}
DEDUP = {"x-cache-size": 100}


@pytest.fixture
def exchange(channel, name):
    """exchange(kind, arguments) makes an exchange that goes with the test."""
    made = []

    def make(kind, arguments=None):
        made.append(name("x"))
        channel.exchange_declare(made[-1], kind, arguments=arguments)
        return made[-1]

    yield make
    for one in made:
        channel.exchange_delete(one)


@pytest.fixture
def bound(channel):
    def make(exchange, key="", **arguments):
        arguments = {"x-" + key.replace("_", "-"): value for key, value in arguments.items()}
        queue = channel.queue_declare("", exclusive=True, arguments=arguments).method.queue
        channel.queue_bind(queue, exchange, key)
        return queue

    return make


def publish(channel, exchange, body="m", key="", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    channel.basic_publish(exchange, key, body, pika.BasicProperties(headers=headers, delivery_mode=2))


def test_a_delayed_message_says_so_by_a_negative_header(channel, exchange, bound):
    later = exchange("x-delayed-message", FANOUT)
    queue = bound(later)
    publish(channel, later, "held", x_delay=100)
    assert get(channel, queue)[1].headers == {"x-delay": -100}
    publish(channel, later, "not", x_delay=-100)
    assert get(channel, queue)[1].headers == {"x-delay": -100}


def test_copies_go_their_way_after_the_delay(channel, exchange, bound):
    later = exchange("x-delayed-message", {"x-delayed-type": "direct"})
    queues = [bound(later, key) for key in ("a", "b", "c")]
    headers = {"x-delay": 100, "CC": ["b"], "BCC": ["c"]}
    channel.basic_publish(later, "a", b"m", pika.BasicProperties(headers=headers))
    assert [depth(channel, queue) for queue in queues] == [0, 0, 0]
    for queue in queues:
        assert "BCC" not in get(channel, queue)[1].headers


def test_a_delay_applies_behind_a_binding_and_as_an_alternate(channel, exchange, bound):
    later = exchange("x-delayed-message", FANOUT)
    queue = bound(later)
    front = exchange("fanout")
    at_once = bound(front)
    channel.exchange_bind(later, front)
    fallback = exchange("direct", {"alternate-exchange": later})
    channel.confirm_delivery()
    for way in (front, fallback):
        publish(channel, way, x_delay=300)
        assert depth(channel, queue) == 0
        get(channel, queue)
    assert depth(channel, at_once) == 1


def test_an_expired_message_may_be_delayed_on_its_way_but_only_once(channel, exchange, bound):
    later = exchange("x-delayed-message", FANOUT)
    target = bound(later, message_ttl=1, dead_letter_exchange=later)
    other = bound(later)
    source = channel.queue_declare("", exclusive=True, arguments={"x-dead-letter-exchange": later}).method.queue
    properties = pika.BasicProperties(headers={"x-delay": 200}, expiration="1")
    channel.basic_publish("", source, b"m", properties)
    time.sleep(0.1)
    assert depth(channel, other) == 0
    _, properties, _ = get(channel, other)
    assert properties.headers["x-delay"] == -200
    assert properties.headers["x-death"][0]["queue"] == source
    get(channel, other)  # from the target, at once; not to the target again, where it died
    wait_for_depth(channel, target, 0)
    time.sleep(0.3)
    assert depth(channel, other) == 0


def test_deleting_a_delayed_exchange_drops_what_it_held(channel, exchange, bound):
    later = exchange("x-delayed-message", FANOUT)
    queue = bound(later)
    publish(channel, later, x_delay=200)
    channel.exchange_delete(later)
    channel.exchange_declare(later, "x-delayed-message", arguments=FANOUT)
    channel.queue_bind(queue, later)
    time.sleep(0.4)
    assert depth(channel, queue) == 0


def test_a_value_passes_once_whatever_way_it_comes(channel, exchange, bound):
    once = exchange("x-message-deduplication", DEDUP)
    queue = bound(once)
    front = exchange("fanout")
    channel.exchange_bind(once, front)
    channel.confirm_delivery()
    for way in (once, front, once, front):
        publish(channel, way, x_deduplication_header="a")
    publish(channel, front, "other", x_deduplication_header="b")
    publish(channel, once, "unmarked")
    publish(channel, once, "unmarked")
    assert drain(channel, queue) == [b"m", b"other", b"unmarked", b"unmarked"]


def test_a_deduplicating_exchange_forgets_by_age_and_by_number(channel, exchange, bound):
    once = exchange("x-message-deduplication", {"x-cache-size": 2, "x-cache-ttl": 300})
    queue = bound(once)
    channel.confirm_delivery()
    for value in (1, 2, 1, 3, 1):  # 3 pushes 1 out
        publish(channel, once, str(value), x_deduplication_header=value)
    assert drain(channel, queue) == [b"1", b"2", b"3", b"1"]
    time.sleep(0.4)
    publish(channel, once, "late", x_deduplication_header=1)
    assert drain(channel, queue) == [b"late"]


def test_history_comes_by_a_binding_between_exchanges_too(channel, exchange, bound):
    recent = exchange("x-recent-history", {"x-recent-history-length": 2})
    for number in range(3):
        publish(channel, recent, str(number), "k")
    direct = exchange("direct")
    queue, other = bound(direct, "k"), bound(direct, "other")
    channel.exchange_bind(direct, recent)
    assert get_bodies(channel, queue, 2) == [b"1", b"2"]
    publish(channel, recent, "3", "k")
    assert get_bodies(channel, queue, 1) == [b"3"]
    assert depth(channel, other) == 0


def test_history_and_what_follows_overlap_nowhere(channel, connect, exchange):
    recent = exchange("x-recent-history", {"x-recent-history-length": 100000})
    publisher = connect().channel()
    for round_number in range(20):
        for number in range(50):
            publish(publisher, recent, f"{round_number} {number}")
            if number == 25:
                queue = channel.queue_declare("", exclusive=True).method.queue
                channel.queue_bind(queue, recent)
        expected = 50 * (round_number + 1)
        wait_for_depth(channel, queue, expected)
        bodies = [body.decode() for body in drain(channel, queue)]
        assert bodies == [f"{r} {n}" for r, n in itertools.product(range(round_number + 1), range(50))]
        channel.queue_delete(queue)


def test_remembering_exchanges_in_a_circle_end(channel, exchange, bound):
    circle = [exchange("x-recent-history"), exchange("x-message-deduplication", DEDUP)]
    circle.append(exchange("x-delayed-message", FANOUT))
    circle.append(exchange("fanout"))
    for source, destination in zip(circle, circle[1:] + circle[:1]):
        channel.exchange_bind(destination, source)
    queues = [bound(one) for one in circle]
    channel.confirm_delivery()
    for way in circle:
        publish(channel, way)
    wait_until(lambda: all(depth(channel, queue) >= 4 for queue in queues))
    publish(channel, circle[0], x_delay=100, x_deduplication_header=1)
    wait_until(lambda: all(depth(channel, queue) >= 5 for queue in queues))
    time.sleep(0.3)
    # The plain exchange and what follows it may be come by again, but not for ever.
    assert all(depth(channel, queue) <= 10 for queue in queues)


def open_channel(broker):
    channel = pika.BlockingConnection(parameters(broker)).channel()
    channel.confirm_delivery()
    return channel


def declare_three_that_delay(channel):
    for number in range(3):
        channel.exchange_declare(f"later{number}", "x-delayed-message", durable=True, arguments=FANOUT)
        channel.queue_declare(f"q{number}", durable=True)
        channel.queue_bind(f"q{number}", f"later{number}")


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_a_backlog_of_delayed_messages_outlives_the_log_and_a_restart(own_broker, ending):
    """More than the log holds and memory may hold, so that most of it lies in segments."""
    broker = own_broker(options=["--memory-limit", "32MiB"])
    channel = open_channel(broker)
    declare_three_that_delay(channel)
    unconfirmed = channel.connection.channel()
    # Longer than a slow machine takes to publish: most of it is to lie in segments when the broker ends.
    delays = (17000, 15000)
    for number in range(6000):
        properties = pika.BasicProperties(delivery_mode=2, headers={"x-delay": delays[number % 2]})
        unconfirmed.basic_publish(f"later{number % 3}", "", str(number).encode().ljust(16384), properties)
    for number in range(3):
        properties = pika.BasicProperties(delivery_mode=2, headers={"x-delay": delays[0]})
        channel.basic_publish(f"later{number}", "", str(6000 + number * 2), properties)
    getattr(broker, ending)()
    channel = open_channel(broker.start())
    for number in range(3):
        numbers = [int(body) for body in Inbox(channel, f"q{number}").wait(2001, seconds=40)]
        assert sorted(numbers) == [*range(number, 6000, 3), 6000 + number * 2]
        for parity in range(2):  # of equal delays, in order
            alike = [one for one in numbers if one % 2 == parity]
            assert alike == sorted(alike)


def test_what_is_held_back_does_not_keep_publishers_waiting(own_broker):
    """It goes to disk when memory is short, so that those who are blocked wait for the disk, not for the delay."""
    broker = own_broker(options=["--memory-limit", "32MiB"])
    channel = open_channel(broker)
    declare_three_that_delay(channel)
    unconfirmed = channel.connection.channel()
    properties = pika.BasicProperties(delivery_mode=2, headers={"x-delay": 600_000})
    for number in range(6000):
        unconfirmed.basic_publish(f"later{number % 3}", "", bytes(16384), properties)
    for number in range(3):
        channel.basic_publish(f"later{number}", "", b"the last", properties)  # confirmed


def test_confirmed_delayed_messages_outlive_a_kill_while_they_are_passed_on(own_broker):
    broker = own_broker()
    channel = open_channel(broker)
    channel.exchange_declare("later", "x-delayed-message", durable=True, arguments=FANOUT)
    for number in range(4):  # on both shards
        channel.queue_declare(f"q{number}", durable=True)
        channel.queue_bind(f"q{number}", "later")
    for number in range(300):
        properties = pika.BasicProperties(delivery_mode=2, headers={"x-delay": 500 + number % 7})
        channel.basic_publish("later", "", str(number), properties)
    for _ in range(3):
        time.sleep(0.15)
        broker.kill()
        broker.start()
    channel = open_channel(broker)
    time.sleep(1)
    for number in range(4):
        assert sorted(int(body) for body in drain(channel, f"q{number}")) == list(range(300))
