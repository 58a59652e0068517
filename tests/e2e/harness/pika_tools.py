"""Short words for what most pika tests do."""

import time

import pika
import pika.exceptions

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def parameters(broker, user="guest", password="guest", vhost="/", **more):
    more.setdefault("heartbeat", 0)
    more.setdefault("socket_timeout", 10)
    more.setdefault("blocked_connection_timeout", 20)
    credentials = more.pop("credentials", None) or pika.PlainCredentials(user, password)
    return pika.ConnectionParameters(broker.host, broker.port, vhost, credentials, **more)


def refusal(action, *arguments, **keywords):
    """The (reply code, reply text) with which the broker ends the channel or the connection for this action."""
    try:
        action(*arguments, **keywords)
    except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker) as closed:
        return closed.reply_code, closed.reply_text
    raise AssertionError("the broker did not refuse it")


def refusal_of_publish(channel, *arguments, **keywords):
    """The same for a publish, which has no answer: the next synchronous method finds the channel closed."""

    def publish_and_wait():
        channel.basic_publish(*arguments, **keywords)
        channel.queue_declare("", exclusive=True)

    return refusal(publish_and_wait)


def publish(channel, queue, *bodies, **properties):
    for body in bodies or [b"m"]:
        channel.basic_publish("", queue, body, pika.BasicProperties(**properties))


def confirmed(channel, queue, body):
    try:
        channel.basic_publish("", queue, body)
        return True
    except pika.exceptions.NackError:
        return False


def get(channel, queue, seconds=5, auto_ack=True):
    """(method, properties, body) of the next message; waits for it, as routing to a queue may take a moment."""
    deadline = time.monotonic() + seconds
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
        if method is not None:
            return method, properties, body
        assert time.monotonic() < deadline, f"no message in {queue!r} within {seconds} s"
        time.sleep(0.02)


def get_bodies(channel, queue, count, seconds=5):
    return [get(channel, queue, seconds)[2] for _ in range(count)]


def drain(channel, queue):
    """All bodies that are ready now, in order."""
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body)


def depth(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def wait_for_depth(channel, queue, expected, seconds=5):
    wait_until(lambda: depth(channel, queue) == expected, seconds, lambda: f"{depth(channel, queue)} in {queue!r}")


def wait_until(condition, seconds=5, describe=lambda: ""):
    """Returns what it has waited for."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s {describe()}"
        time.sleep(0.02)
    return found


class Inbox:
    """A consumer that keeps what it was given; pumps its connection until enough has come."""

    def __init__(self, channel, queue, auto_ack=True, **more):
        self.channel = channel
        self.deliveries = []
        self.tag = channel.basic_consume(queue, self._receive, auto_ack=auto_ack, **more)

    def _receive(self, _channel, method, properties, body):
        self.deliveries.append((method, properties, body))

    @property
    def bodies(self):
        return [body for _, _, body in self.deliveries]

    def wait(self, count, seconds=5):
        """Pumps until `count` messages in all have come, and returns their bodies."""
        deadline = time.monotonic() + seconds
        while len(self.deliveries) < count:
            remaining = deadline - time.monotonic()
            assert remaining > 0, f"{len(self.deliveries)} of {count} messages within {seconds} s: {self.bodies[:9]}"
            self.channel.connection.process_data_events(time_limit=min(remaining, 0.1))
        return self.bodies

    def settle(self, seconds=0.3):
        """Pumps for a while, to see what else would come; returns all bodies."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.channel.connection.process_data_events(time_limit=0.05)
        return self.bodies
