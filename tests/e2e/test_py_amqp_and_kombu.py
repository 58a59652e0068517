"""py-amqp and kombu, which Celery stands on."""

import amqp
import kombu
import pytest


@pytest.fixture
def connection(broker):
    with amqp.Connection(f"{broker.host}:{broker.port}", "guest", "guest", confirm_publish=True) as connection:
        yield connection


def test_publish_get_and_acknowledge(connection, name):
    channel = connection.channel()
    queue = channel.queue_declare(name(), auto_delete=False).queue
    headers = {"n": 1, "text": "grüße"}
    channel.basic_publish_confirm(amqp.Message(b"m", application_headers=headers), "", queue)
    message = channel.basic_get(queue)
    assert (bytes(message.body), message.headers) == (b"m", headers)
    channel.basic_ack(message.delivery_tag)
    channel.queue_delete(queue)


def test_consume_through_a_callback(connection, name):
    channel = connection.channel()
    queue = channel.queue_declare(name(), exclusive=True).queue
    bodies = []
    channel.basic_consume(queue, callback=lambda message: bodies.append(message.body), no_ack=True)
    for number in range(5):
        channel.basic_publish(amqp.Message(str(number)), "", queue)
    while len(bodies) < 5:
        connection.drain_events(timeout=5)
    assert bodies == ["0", "1", "2", "3", "4"]


def test_errors_are_raised_as_their_own_kind(connection):
    with pytest.raises(amqp.exceptions.NotFound, match="no queue 'missing' in vhost '/'"):
        connection.channel().queue_declare("missing", passive=True)


def test_a_wrong_password_is_told(broker):
    with pytest.raises(amqp.exceptions.AccessRefused, match="Login was refused"):
        amqp.Connection(f"{broker.host}:{broker.port}", "guest", "wrong").connect()


@pytest.mark.parametrize("login_method", ["PLAIN", "AMQPLAIN"])
def test_both_ways_to_log_in(broker, login_method):
    with amqp.Connection(f"{broker.host}:{broker.port}", "guest", "guest", login_method=login_method) as connection:
        connection.channel()


def test_heartbeats_keep_a_quiet_connection(broker):
    with amqp.Connection(f"{broker.host}:{broker.port}", "guest", "guest", heartbeat=2) as connection:
        for _ in range(12):
            connection.heartbeat_tick(rate=4)
            try:
                connection.drain_events(timeout=0.5)
            except TimeoutError:
                pass
        connection.channel()


def test_kombu_simple_queue(broker, name):
    with kombu.Connection(broker.url()) as connection:
        queue = connection.SimpleQueue(name())
        queue.put({"hello": "world"}, serializer="json")
        message = queue.get(block=True, timeout=5)
        assert message.payload == {"hello": "world"}
        message.ack()
        queue.close()
        queue.queue(connection.channel()).delete()


def test_kombu_producer_and_consumer_over_a_topic(broker, name):
    exchange = kombu.Exchange(name("x"), "topic", auto_delete=True)
    queue = kombu.Queue(name("q"), exchange, routing_key="news.#", auto_delete=True)
    received = []
    with kombu.Connection(broker.url()) as connection:
        with connection.Consumer(queue, callbacks=[lambda body, message: (received.append(body), message.ack())]):
            producer = connection.Producer()
            for number in range(3):
                producer.publish({"n": number}, exchange=exchange, routing_key="news.local", retry=True, priority=1)
            while len(received) < 3:
                connection.drain_events(timeout=5)
    assert received == [{"n": 0}, {"n": 1}, {"n": 2}]
