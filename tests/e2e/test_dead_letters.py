"""Where messages go that a queue gives up, and what their headers tell about it."""

import datetime

import pytest

from harness.pika_tools import depth, get, publish, wait_for_depth, wait_until


@pytest.fixture
def dead(declare_queue):
    return declare_queue()


@pytest.fixture
def declare(declare_queue, dead):
    """Queues whose messages die into `dead`, unless told otherwise."""

    def make(**arguments):
        return declare_queue(**({"dead_letter_exchange": "", "dead_letter_routing_key": dead} | arguments))

    return make


def reject(channel, queue):
    channel.basic_reject(get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=False)


def test_a_rejected_message_tells_its_whole_story(channel, declare, dead):
    queue = declare()
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    publish(channel, queue, headers={"mine": "kept"}, content_type="text/plain")
    reject(channel, queue)
    method, properties, body = get(channel, dead)
    assert (method.exchange, method.routing_key, body) == ("", dead, b"m")
    assert properties.content_type == "text/plain"
    assert properties.headers["mine"] == "kept"
    [death] = properties.headers["x-death"]
    time = death.pop("time").replace(tzinfo=datetime.timezone.utc)
    assert before <= time <= before + datetime.timedelta(seconds=10)
    assert death == {"count": 1, "reason": "rejected", "queue": queue, "exchange": "", "routing-keys": [queue]}


def test_the_first_death_is_told_for_ever(channel, declare, dead):
    queue = declare()
    publish(channel, queue)
    reject(channel, queue)
    headers = get(channel, dead)[1].headers
    assert headers["x-first-death-reason"] == "rejected"
    assert headers["x-first-death-queue"] == queue
    assert headers["x-first-death-exchange"] == ""


@pytest.mark.differs_from_310("tells the first death only")
def test_the_last_death_is_told_too(channel, declare, dead):
    last = declare()
    first = declare(dead_letter_routing_key=last, message_ttl=50)
    publish(channel, first)
    reject(channel, last)
    headers = get(channel, dead)[1].headers
    assert (headers["x-first-death-reason"], headers["x-first-death-queue"]) == ("expired", first)
    assert (headers["x-last-death-reason"], headers["x-last-death-queue"]) == ("rejected", last)
    assert headers["x-last-death-exchange"] == ""


def test_an_expired_message_loses_its_expiration_and_tells_it(channel, declare, dead):
    queue = declare()
    publish(channel, queue, expiration="50")
    _, properties, _ = get(channel, dead)
    assert properties.expiration is None
    [death] = properties.headers["x-death"]
    assert death["reason"] == "expired"
    assert death["original-expiration"] == "50"


def test_a_message_expired_by_its_queue_has_no_expiration_to_tell(channel, declare, dead):
    publish(channel, declare(message_ttl=50))
    [death] = get(channel, dead)[1].headers["x-death"]
    assert death["reason"] == "expired"
    assert "original-expiration" not in death


def test_a_message_pushed_out_by_length_says_maxlen(channel, declare, dead):
    queue = declare(max_length=1)
    publish(channel, queue, b"old")
    publish(channel, queue, b"new")
    _, properties, body = get(channel, dead)
    assert body == b"old"
    assert properties.headers["x-death"][0]["reason"] == "maxlen"


def test_a_message_keeps_its_key_unless_another_is_given(channel, declare, dead, name):
    exchange = name("x")
    channel.exchange_declare(exchange, "fanout")
    channel.queue_bind(dead, exchange)
    queue = declare(dead_letter_exchange=exchange, dead_letter_routing_key=None)
    publish(channel, queue)
    reject(channel, queue)
    method, _, _ = get(channel, dead)
    assert (method.exchange, method.routing_key) == (exchange, queue)
    channel.exchange_delete(exchange)


def test_deaths_in_several_queues_are_told_latest_first(channel, declare, dead):
    last = declare()
    first = declare(dead_letter_routing_key=last)
    publish(channel, first)
    reject(channel, first)
    reject(channel, last)
    deaths = get(channel, dead)[1].headers["x-death"]
    assert [death["queue"] for death in deaths] == [last, first]
    assert [death["count"] for death in deaths] == [1, 1]


def test_repeated_deaths_in_a_queue_are_counted(channel, declare, dead, name):
    retry = name("retry")
    queue = declare(dead_letter_routing_key=retry)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue, "x-message-ttl": 20}
    channel.queue_declare(retry, arguments=arguments)
    publish(channel, queue)
    for _ in range(3):
        reject(channel, queue)
    deaths = get(channel, queue)[1].headers["x-death"]
    assert [(death["queue"], death["reason"], death["count"]) for death in deaths] == [
        (retry, "expired", 3),
        (queue, "rejected", 3),
    ]
    channel.queue_delete(retry)


def test_a_message_that_only_expires_in_circles_is_dropped(channel, name):
    one, two = name("one"), name("two")
    for queue, following in ((one, two), (two, one)):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": following, "x-message-ttl": 20}
        channel.queue_declare(queue, arguments=arguments)
    publish(channel, one)
    channel.connection.sleep(0.4)
    assert (depth(channel, one), depth(channel, two)) == (0, 0)
    for queue in (one, two):
        channel.queue_delete(queue)


def test_without_the_exchange_it_names_a_message_is_dropped(channel, declare, name):
    queue = declare(dead_letter_exchange=name("missing"))
    publish(channel, queue)
    reject(channel, queue)
    wait_for_depth(channel, queue, 0)


def test_copies_that_were_addressed_are_told_and_blind_ones_are_not(channel, declare, dead):
    queue = declare()
    publish(channel, queue, headers={"CC": ["other"], "BCC": ["secret"]})
    reject(channel, queue)
    headers = get(channel, dead)[1].headers
    assert headers["x-death"][0]["routing-keys"] == [queue, "other"]
    assert "secret" not in repr(headers)


@pytest.mark.differs_from_310("believes what a client writes into x-death")
def test_deaths_that_a_client_made_up_are_not_continued(channel, declare, dead):
    queue = declare()
    made_up = {"queue": queue, "reason": "rejected", "count": 7, "exchange": "", "routing-keys": [queue]}
    publish(channel, queue, headers={"x-death": [made_up]})
    reject(channel, queue)
    assert get(channel, dead)[1].headers["x-death"][0]["count"] == 1


def test_dead_letters_of_a_deleted_dead_letter_queue_go_nowhere(channel, declare, dead):
    queue = declare()
    channel.queue_delete(dead)
    publish(channel, queue)
    reject(channel, queue)
    channel.queue_declare(dead, durable=True)
    wait_until(lambda: depth(channel, queue) == 0)
    assert depth(channel, dead) == 0


def test_many_dead_letters_keep_their_order(channel, declare, dead):
    queue = declare(message_ttl=100)
    for number in range(300):
        publish(channel, queue, str(number))
    wait_for_depth(channel, dead, 300)
    assert [get(channel, dead)[2] for _ in range(300)] == [str(number).encode() for number in range(300)]
