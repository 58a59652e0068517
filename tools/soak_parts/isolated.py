"""One feature at a time, thousands of cycles: what does it leave behind?"""

import socket

from pamqp import commands, frame
from pamqp.header import ContentHeader

from harness.definitions import password_hash
from harness.pika_tools import wait_until
from harness.raw import PROTOCOL_HEADER, plain

from .wire import body, content

Queue, Exchange, Basic = commands.Queue, commands.Exchange, commands.Basic
BATCH = 100
FEATURES = {}  # name: (cycles, function)
KEEPS_OUTCOMES = {"outcomes_of_permissions", "outcomes_of_topic_permissions"}


def feature(cycles):
    """A function of (world, how many cycles)."""

    def keep(function):
        FEATURES[function.__name__] = (cycles, function)
        return function

    return keep


def batches(count, size=BATCH):
    while count > 0:
        yield min(size, count)
        count -= size


def each(wire, make, names):
    wire.ask_all([make(name) for name in names])


# -- Declaring


@feature(20_000)
def durable_queues(world, count):
    with world.wire() as wire:
        for some in batches(count, 50):
            names = [world.names("queue") for _ in range(some)]
            each(wire, lambda name: Queue.Declare(queue=name, durable=True), names)
            each(wire, lambda name: Queue.Bind(queue=name, exchange="amq.direct", routing_key="to " + name), names)
            wire.send_all(content("amq.direct", "to " + name, b"kept", delivery_mode=2) for name in names)
            each(wire, lambda name: Queue.Delete(queue=name), names)


@feature(20_000)
def transient_queues(world, count):
    with world.wire() as wire:
        for some in batches(count, 50):
            names = [world.names("queue") for _ in range(some)]
            each(wire, lambda name: Queue.Declare(queue=name, arguments={"x-max-priority": 5}), names)
            each(wire, lambda name: Queue.Bind(queue=name, exchange="amq.topic", routing_key=name + ".#"), names)
            each(wire, lambda name: Queue.Unbind(queue=name, exchange="amq.topic", routing_key=name + ".#"), names)
            each(wire, lambda name: Queue.Delete(queue=name), names)


@feature(10_000)
def expiring_queues(world, count):
    with world.wire() as wire:
        for some in batches(count, 50):
            names = [world.names("queue") for _ in range(some)]
            arguments = {"x-expires": 200}
            each(wire, lambda name: Queue.Declare(queue=name, durable=True, arguments=arguments), names)
    mine = f"/queues?columns=name&disable_stats=true&page=1&name={names[-1].rsplit('.', 1)[0]}"
    wait_until(lambda: not world.api.get(mine)["filtered_count"], 60)


@feature(20_000)
def consumers(world, count):
    """On a queue that goes with its last one each second time, on one that stays otherwise."""
    with world.wire() as wire:
        for some in batches(count // 2, 50):
            names = [world.names("queue") for _ in range(some)]
            each(wire, lambda name: Queue.Declare(queue=name, auto_delete=True), names)
            each(wire, lambda name: Basic.Consume(queue=name, consumer_tag="tag " + name), names)
            each(wire, lambda name: Basic.Cancel(consumer_tag="tag " + name), names)
        wire.ask_all([Queue.Declare(queue="stays", durable=True)])
        for some in batches(count // 2, 50):
            names = [world.names("tag") for _ in range(some)]
            each(wire, lambda name: Basic.Consume(queue="stays", consumer_tag=name), names)
            wire.send_all([content("", "stays", b"m")] * some)
            wire.deliveries(some)
            wire.send(Basic.Ack(0, True), 1)
            each(wire, lambda name: Basic.Cancel(consumer_tag=name), names)
        wire.ask_all([Queue.Delete(queue="stays")])


@feature(20_000)
def exchanges(world, count):
    kinds = ["direct", "fanout", "topic", "headers", "x-consistent-hash", "x-recent-history"]
    extra = ["x-message-deduplication", "x-delayed-message"]
    arguments = {"x-message-deduplication": {"x-cache-size": 100}, "x-delayed-message": {"x-delayed-type": "topic"}}
    with world.wire() as wire:
        for some in batches(count, 48):
            named = [(world.names("exchange"), (kinds + extra)[at % 8]) for at in range(some)]
            each(
                wire,
                lambda one: Exchange.Declare(
                    exchange=one[0], exchange_type=one[1], durable=True, arguments=arguments.get(one[1])
                ),
                named,
            )
            each(wire, lambda one: Exchange.Bind(destination=one[0], source="amq.fanout", routing_key=one[0]), named)
            headers = {"x-deduplication-header": "a value"}
            wire.send_all(content(one, "a key", b"m", delivery_mode=2, headers=headers) for one, _ in named)
            each(wire, lambda one: Exchange.Delete(exchange=one[0]), named)


@feature(20_000)
def topic_bindings(world, count):
    with world.wire() as wire:
        wire.ask_all([Queue.Declare(queue="bound by topic", durable=True)])
        for some in batches(count, 50):
            keys = [f"{world.names('word')}.{world.names('word')}.*.#" for _ in range(some)]
            each(wire, lambda key: Queue.Bind(queue="bound by topic", exchange="amq.topic", routing_key=key), keys)
            wire.send_all(content("amq.topic", key.replace("*", "x").replace("#", "y"), b"m") for key in keys)
            each(wire, lambda key: Queue.Unbind(queue="bound by topic", exchange="amq.topic", routing_key=key), keys)
            wire.ask_all([Queue.Purge(queue="bound by topic")])
        wire.ask_all([Queue.Delete(queue="bound by topic")])


@feature(20_000)
def headers_bindings(world, count):
    with world.wire() as wire:
        wire.ask_all([Queue.Declare(queue="bound by headers", durable=True)])
        for some in batches(count, 50):
            tables = [
                {"x-match": "any" if at % 2 else "all", world.names("header"): world.names("value"), "n": at}
                for at in range(some)
            ]
            each(wire, lambda table: Queue.Bind(queue="bound by headers", exchange="amq.headers", arguments=table), tables)
            wire.send_all(content("amq.headers", "", b"m", headers=table) for table in tables)
            each(wire, lambda table: Queue.Unbind(queue="bound by headers", exchange="amq.headers", arguments=table), tables)
            wire.ask_all([Queue.Purge(queue="bound by headers")])
        wire.ask_all([Queue.Delete(queue="bound by headers")])


@feature(20_000)
def direct_and_hash_bindings(world, count):
    with world.wire() as wire:
        wire.ask_all(
            [
                Queue.Declare(queue="bound by direct", durable=True),
                Exchange.Declare(exchange="hash", exchange_type="x-consistent-hash", durable=True),
                Exchange.Declare(exchange="further", exchange_type="direct", durable=True),
            ]
        )
        for some in batches(count // 2, 50):
            keys = [world.names("key") for _ in range(some)]
            each(wire, lambda key: Queue.Bind(queue="bound by direct", exchange="amq.direct", routing_key=key), keys)
            each(wire, lambda key: Exchange.Bind(destination="further", source="amq.direct", routing_key=key), keys)
            wire.send_all(content("amq.direct", key, b"m") for key in keys)
            each(wire, lambda key: Queue.Unbind(queue="bound by direct", exchange="amq.direct", routing_key=key), keys)
            each(wire, lambda key: Exchange.Unbind(destination="further", source="amq.direct", routing_key=key), keys)
            names = [world.names("queue") for _ in range(some)]
            each(wire, lambda name: Queue.Declare(queue=name), names)
            each(wire, lambda name: Queue.Bind(queue=name, exchange="hash", routing_key="2"), names)
            wire.send_all(content("hash", key, b"m") for key in keys)
            each(wire, lambda name: Queue.Delete(queue=name), names)
            wire.ask_all([Queue.Purge(queue="bound by direct")])
        for name in ("hash", "further"):
            wire.ask_all([Exchange.Delete(exchange=name)])
        wire.ask_all([Queue.Delete(queue="bound by direct")])


# -- Who is connected


@feature(20_000)
def connections(world, count):
    """A fifth each: closed, without a word, reset, reset in mid-publish, left in the handshake."""
    for at in range(count):
        way = at % 5
        wire = world.wire(source=world.names.source(), opened=way < 4)
        if way == 0:
            wire.close()
        elif way == 1:
            wire.socket.close()
        elif way == 2:
            wire.abort()
        elif way == 3:
            wire.send_bytes(content("", "nowhere", body(30_000))[:20_000])
            wire.abort()
        else:
            wire.start()
            wire.abort()
        world.pace()


@feature(50_000)
def channels(world, count):
    with world.wire() as wire:
        for some in batches(count, 200):
            numbers = range(2, 2 + some)
            wire.send_bytes(b"".join(commands_of(commands.Channel.Open(), numbers)))
            for _ in numbers:
                assert wire.answer().name == "Channel.OpenOk"
            wire.send_bytes(b"".join(commands_of(commands.Confirm.Select(), numbers)))
            for _ in numbers:
                assert wire.answer().name == "Confirm.SelectOk"
            wire.send_bytes(b"".join(commands_of(commands.Channel.Close(200, "", 0, 0), numbers)))
            for _ in numbers:
                assert wire.answer().name == "Channel.CloseOk"
            world.pace()


def commands_of(method, numbers):
    return [frame.marshal(method, number) for number in numbers]


@feature(1_000)
def failed_logins(world, count):
    """Of users that are not there, each from an address of its own; the refusal is held back, so many at once."""
    for some in batches(count, 60):
        wires = [world.wire(source=world.names.source(), opened=False) for _ in range(some)]
        for wire in wires:
            wire.start()
            wire.login(response=plain(world.names("stranger"), "wrong"))
        for wire in wires:
            wire.end()
            wire.socket.close()
        world.pace()


@feature(5_000)
def users(world, count):
    """Made with a hash, let in, logged in once by HTTP and once by AMQP each tenth time."""
    for at in range(count):
        name = world.names("user")
        made = {"password_hash": password_hash(name), "hashing_algorithm": "rabbit_password_hashing_sha256"}
        world.api.put(world.path("users", name), made | {"tags": "management"})
        world.api.put(world.path("permissions", "/", name), {"configure": "^q", "write": name, "read": ".*"})
        world.api.put(
            world.path("topic-permissions", "/", name), {"exchange": "amq.topic", "write": name, "read": ".*"}
        )
        if at % 10 == 0:
            with world.wire(user=name, password=name) as wire:
                wire.ask_all([Queue.Declare(queue="q" + name, exclusive=True)])
        world.api.delete(world.path("users", name))
        world.pace()


@feature(3_000)
def vhosts(world, count):
    """Each with somebody who logs in there."""
    for at in range(count):
        with world.vhost() as name, world.wire(vhost=name) as wire:
            if at % 4 == 0:
                wire.ask_all([Queue.Declare(queue="q", durable=True)])
                wire.send_all([content("", "q", b"left behind", delivery_mode=2)])
        world.pace()


@feature(5_000)
def policies(world, count):
    with world.wire() as wire:
        wire.ask_all([Queue.Declare(queue=f"ruled.{at}", durable=True) for at in range(20)])
        for at in range(count):
            name = world.names("policy")
            rules = [{"max-length": 7}, {"message-ttl": 60000}, {"scheduling": "sjf"}, {"dead-letter-exchange": name}]
            where = world.path("policies", "/", name)
            world.api.put(where, {"pattern": "^ruled", "apply-to": "queues", "definition": rules[at % 4]})
            world.api.delete(where)
            world.pace()
        wire.ask_all([Queue.Delete(queue=f"ruled.{at}") for at in range(20)])


@feature(3_000)
def parameters_and_limits(world, count):
    for at in range(count):
        name = world.names("parameter")
        if at % 2:
            where = world.path("parameters", "shovel", "/", name)
            world.api.put(where, {"value": {"src-uri": name, "more": "x" * 500}})
        else:
            where = world.path("global-parameters", name)
            world.api.put(where, {"value": name})
        world.api.delete(where)
        world.pace()


@feature(500_000)
def outcomes_of_permissions(world, count):
    """More names than are remembered, already before the first look."""
    with world.wire() as wire:
        for some in batches(count, 500):
            wire.ask_all([Exchange.Delete(exchange=world.names("exchange")) for _ in range(some)])


@feature(500_000)
def outcomes_of_topic_permissions(world, count):
    """Likewise keys, for a user with a topic permission."""
    rights = {"exchange": "amq.topic", "write": "{username}|soak", "read": ".*"}
    world.api.put(world.path("topic-permissions", "/", "guest"), rights)
    with world.wire() as wire:
        for some in batches(count, 500):
            wire.send_all(content("amq.topic", world.names("key"), b"m") for _ in range(some))
        wire.ask_all([Queue.Declare(exclusive=True)])


# -- Messages


@feature(100_000)
def delayed_messages(world, count):
    with world.wire() as wire:
        wire.ask_all(
            [
                Exchange.Declare(
                    exchange="later",
                    exchange_type="x-delayed-message",
                    durable=True,
                    arguments={"x-delayed-type": "direct"},
                ),
                Queue.Declare(queue="due", durable=True),
                Queue.Bind(queue="due", exchange="later", routing_key="due"),
            ]
        )
        for some in batches(count, 2000):
            wire.send_all(
                content("later", "due", b"m" * 100, delivery_mode=2, headers={"x-delay": world.luck.randrange(1, 400)})
                for _ in range(some)
            )
            wait_until(lambda: wire.ask_all([Queue.Declare(queue="due", passive=True)])[0].message_count == some, 30)
            wire.ask_all([Queue.Purge(queue="due")])
        wire.ask_all([Exchange.Delete(exchange="later"), Queue.Delete(queue="due")])


@feature(300_000)
def deduplication(world, count):
    """In windows of 1000, of a queue and of an exchange."""
    with world.wire() as wire:
        window = {"x-cache-size": 1000, "x-cache-ttl": 60000}
        wire.ask_all(
            [
                Exchange.Declare(
                    exchange="once", exchange_type="x-message-deduplication", durable=True, arguments=window
                ),
                Queue.Declare(queue="each", durable=True, arguments={"x-message-deduplication": True} | window),
                Queue.Bind(queue="each", exchange="once", routing_key="each"),
            ]
        )
        wire.confirm()
        sent = 0
        for some in batches(count, 2000):
            values = [{"x-deduplication-header": world.names("value")} for _ in range(some // 2)]
            for exchange in ("once", ""):
                wire.send_all(content(exchange, "each", b"m", delivery_mode=2, headers=value) for value in values)
                sent += len(values)
                wire.wait_for_confirms(sent)
                wire.ask_all([Queue.Purge(queue="each")])
        wire.ask_all([Exchange.Delete(exchange="once"), Queue.Delete(queue="each")])


@feature(100_000)
def ranked_queues(world, count):
    orders = ["sjf", "fair", "edf", "priority", "aged-sjf", "lifo"]
    with world.wire() as wire:
        wire.ask_all(
            [Queue.Declare(queue=order, durable=True, arguments={"x-scheduling": order}) for order in orders]
        )
        wire.send(Basic.Qos(prefetch_count=50), 1)
        wire.answer()
        for some in batches(count, 3000):
            for order in orders:
                wire.send_all(
                    content(
                        "",
                        order,
                        b"m" * 200,
                        delivery_mode=2,
                        priority=world.luck.randrange(250),
                        message_type=world.names("type"),
                        headers={"x-key": world.names("key"), "x-deadline": world.luck.randrange(10**12)}
                        | ({"x-size": world.luck.randrange(10**6)} if world.luck.random() < 0.5 else {}),
                    )
                    for _ in range(some // 6)
                )
                wire.ask_all([Basic.Consume(queue=order, consumer_tag=order)])
                taken = 0
                while taken < some // 12:
                    taken += len(wire.deliveries(50))
                    wire.send(Basic.Ack(0, True), 1)
                wire.ask_all([Basic.Cancel(consumer_tag=order)])
                wire.pushed.clear()
                wire.send(Basic.Nack(0, True, True), 1)
                wire.ask_all([Queue.Purge(queue=order)])
        for order in orders:
            wire.ask_all([Queue.Delete(queue=order)])


@feature(200_000)
def durable_messages(world, count):
    """Through the log, a third consumed, a third rejected and requeued, the rest purged: files of the log recycle."""
    message = content("", "log", body(1000), delivery_mode=2)
    with world.wire() as wire:
        wire.ask_all([Queue.Declare(queue="log", durable=True)])
        wire.confirm()
        wire.send(Basic.Qos(prefetch_count=500), 1)
        wire.answer()
        sent = 0
        for some in batches(count, 3000):
            wire.send_all([message] * some)
            sent += some
            wire.wait_for_confirms(sent)
            wire.ask_all([Basic.Consume(queue="log", consumer_tag="c")])
            for multiple in (Basic.Ack(0, True), Basic.Nack(0, True, True)) * (some // 1500):
                wire.deliveries(500)
                wire.send(multiple, 1)
            wire.ask_all([Basic.Cancel(consumer_tag="c")])
            wire.send(Basic.Nack(0, True, True), 1)
            wire.pushed.clear()
            wire.ask_all([Queue.Purge(queue="log")])
        wire.ask_all([Queue.Delete(queue="log")])


@feature(240)
def large_bodies(world, count):
    """2 to 20 MiB; purged without having been consumed, taken, or cut off in the middle."""
    with world.wire() as wire:
        wire.ask_all([Queue.Declare(queue="large", durable=True), Queue.Declare(queue="light")])
        wire.confirm()
        for at in range(count):
            size = world.luck.randrange(2 << 20, 20 << 20)
            if at % 4 == 3:
                with world.wire() as other:
                    other.send_bytes(content("", "large", body(size))[: size // 2])
                    other.abort()
                    other.close = lambda: None
                wire.send_bytes(content("", "large", b"small"))
            else:
                octets = content("", "light" if at % 4 == 2 else "large", body(size), delivery_mode=2)
                for place in range(0, len(octets), 1 << 20):
                    wire.send_bytes(octets[place : place + (1 << 20)])
                    world.pace()
            wire.wait_for_confirms(at + 1)
            if at % 3 == 0:
                wire.ask_all([Basic.Get(queue="large", no_ack=True)])
            wire.ask_all([Queue.Purge(queue="large"), Queue.Purge(queue="light")])
        wire.ask_all([Queue.Delete(queue="large"), Queue.Delete(queue="light")])


@feature(60_000)
def dead_letters(world, count):
    """Dropped for length, expired, rejected, each into the next; the last is purged."""
    with world.wire() as wire:
        ways = {
            "first": {"x-max-length": 5, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "second"},
            "second": {"x-message-ttl": 20, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "third"},
            "third": {"x-max-length": 10, "x-overflow": "reject-publish"},
        }
        for name, arguments in ways.items():
            wire.ask_all([Queue.Declare(queue=name, durable=True, arguments=arguments)])
        wire.confirm()
        sent = 0
        for some in batches(count, 1000):
            keys = [world.names("correlation") for _ in range(some)]
            wire.send_all(content("", "first", b"m" * 50, delivery_mode=2, correlation_id=key) for key in keys)
            sent += some
            wire.wait_for_confirms(sent)
            wait_until(lambda: not wire.ask_all([Queue.Declare(queue="second", passive=True)])[0].message_count, 20)
            wire.ask_all([Queue.Purge(queue=name) for name in ways])
        wire.ask_all([Queue.Delete(queue=name) for name in ways])


@feature(20_000)
def quorum_and_retry(world, count):
    """Rejected until the limit of deliveries; some wait before each."""
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 2}
    retry = {"x-delayed-retry-type": "all", "x-delayed-retry-min": 10, "x-delayed-retry-max": 30}
    with world.wire() as wire:
        wire.ask_all(
            [
                Queue.Declare(queue="limited", durable=True, arguments=arguments),
                Queue.Declare(queue="retried", durable=True, arguments=arguments | retry),
            ]
        )
        wire.send(Basic.Qos(prefetch_count=100), 1)
        wire.answer()
        for name in ("limited", "retried"):
            for some in batches(count // 2, 500):
                wire.send_all(content("", name, b"m" * 50, delivery_mode=2) for _ in range(some))
                wire.ask_all([Basic.Consume(queue=name, consumer_tag=name)])
                for _ in range(3 * some // 100):
                    wire.deliveries(100)
                    wire.send(Basic.Nack(0, True, True), 1)
                wire.ask_all([Basic.Cancel(consumer_tag=name)])
                wait_until(lambda: not wire.ask_all([Queue.Purge(queue=name)])[0].message_count, 20)
        wire.ask_all([Queue.Delete(queue="limited"), Queue.Delete(queue="retried")])


@feature(20_000)
def requests_and_replies(world, count):
    """By the address that amq.rabbitmq.reply-to becomes; it is another one for each channel that asks."""
    with world.wire() as answers:
        answers.ask_all([Queue.Declare(queue="server", auto_delete=True), Basic.Consume(queue="server", no_ack=True)])
        for some in batches(count, 50):
            with world.wire() as asks:
                asks.ask_all([Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True)])
                asks.send_all(
                    content("", "server", b"?", reply_to="amq.rabbitmq.reply-to", correlation_id=world.names("call"))
                    for _ in range(some)
                )
                asked = []
                while len(asked) < some:
                    value = answers.receive()
                    asked += [value.properties] if isinstance(value, ContentHeader) else []
                answers.send_all(content("", one.reply_to, b"!", correlation_id=one.correlation_id) for one in asked)
                asks.deliveries(some)


@feature(50_000)
def gets_and_transactions(world, count):
    with world.wire() as wire:
        wire.ask_all([Queue.Declare(queue="taken", durable=True), commands.Tx.Select()])
        for at, some in enumerate(batches(count, 100)):
            wire.send_all(content("", "taken", b"m" * 300, delivery_mode=2) for _ in range(some))
            wire.ask_all([commands.Tx.Rollback() if at % 3 == 0 else commands.Tx.Commit()])
            wire.ask_all([Basic.Get(queue="taken") for _ in range(some)])
            wire.send(Basic.Ack(0, True), 1)
            wire.ask_all([commands.Tx.Commit()])
        wire.ask_all([Queue.Delete(queue="taken")])


@feature(50_000)
def returns(world, count):
    """And an exchange that takes what another could not route."""
    with world.wire() as wire:
        wire.ask_all(
            [
                Queue.Declare(queue="rest", arguments={"x-max-length": 3}),
                Queue.Bind(queue="rest", exchange="amq.fanout"),
                Exchange.Declare(exchange="strict", arguments={"alternate-exchange": "amq.fanout"}),
            ]
        )
        for some in batches(count, 500):
            names = [world.names("key") for _ in range(some)]
            wire.send_all(content("amq.direct", name, b"m", mandatory=True) for name in names[::2])
            wire.send_all(content("strict", name, b"m", mandatory=True) for name in names[1::2])
            wire.ask_all([Queue.Purge(queue="rest")])
            wire.pushed.clear()
        wire.ask_all([Queue.Delete(queue="rest"), Exchange.Delete(exchange="strict")])


# -- By HTTP


@feature(2_000)
def traces(world, count):
    with world.wire() as wire:
        wire.ask_all([Queue.Declare(queue="traced", durable=True)])
        for some in batches(count, 10):
            names = [world.names("message") for _ in range(some)]
            ids = [world.api.post("/millrace/traces", {"message_id": name}, expect=201).json["id"] for name in names]
            wire.send_all(content("", "traced", b"m", message_id=name, delivery_mode=2) for name in names * 5)
            wire.ask_all([Queue.Purge(queue="traced")])
            for one in ids:
                world.api.get(f"/millrace/traces/{one}?after=0")
                world.api.delete(f"/millrace/traces/{one}")
            world.pace()
        wire.ask_all([Queue.Delete(queue="traced")])


@feature(300)
def firehose(world, count):
    with world.vhost() as vhost, world.wire(vhost=vhost) as wire:
        wire.ask_all(
            [
                Queue.Declare(queue="copies"),
                Queue.Bind(queue="copies", exchange="amq.rabbitmq.trace", routing_key="#"),
                Queue.Declare(queue="watched"),
            ]
        )
        for _ in range(count):
            world.api.put(world.path("vhosts", vhost), {"tracing": True})
            wire.send_all(content("", "watched", b"m" * 100, message_id=world.names("m")) for _ in range(100))
            wire.ask_all([Basic.Get(queue="watched", no_ack=True) for _ in range(10)])
            world.api.put(world.path("vhosts", vhost), {"tracing": False})
            wire.ask_all([Queue.Purge(queue="watched"), Queue.Purge(queue="copies")])


@feature(3_000)
def events(world, count):
    """Somebody listens to what happens to the broker's objects."""
    with world.wire() as wire:
        wire.ask_all(
            [
                Queue.Declare(queue="events", arguments={"x-max-length": 10}),
                Queue.Bind(queue="events", exchange="amq.rabbitmq.event", routing_key="#"),
            ]
        )
        for some in batches(count, 50):
            names = [world.names("queue") for _ in range(some)]
            each(wire, lambda name: Queue.Declare(queue=name), names)
            each(wire, lambda name: Basic.Consume(queue=name, consumer_tag=name), names)
            each(wire, lambda name: Queue.Delete(queue=name), names)
            world.wire().close()
        wire.ask_all([Queue.Delete(queue="events")])


@feature(4_000)
def consumers_by_http(world, count):
    where = world.path("queues", "/", "web")
    world.api.put(where, {"durable": True})
    for at in range(count):
        made = world.api.post(where + "/consumers", {"prefetch": 10, "consumer_tag": world.names("tag")}, expect=201)
        name = made.json["consumer"]
        if at % 4 == 0:
            world.api.post(where + "/messages", b"a message")
            got = world.api.get(f"{where}/messages?consumer={name}&wait=2s")
            world.api.post(where + "/messages/ack", {"tokens": [one["token"] for one in got]})
        world.api.delete(f"{where}/consumers/{name}")
        world.pace()
    world.api.delete(where)


@feature(6_000)
def lists_and_metrics(world, count):
    """Of objects that come and go meanwhile: what is remembered for their rates must go with them."""
    paths = ["/queues", "/exchanges", "/connections", "/channels", "/consumers", "/overview", "/nodes", "/bindings"]
    paths += ["/queues?page=1&page_size=5&sort=messages", "/definitions", "/millrace/tasks/%2F", "/connections?page=1"]
    scrapes = ["/metrics", "/metrics/per-object", "/metrics/detailed?family=queue_metrics&family=connection_metrics"]
    scrapes += ["/metrics/memory-breakdown", "/metrics/detailed?family=queue_coarse_metrics&queue=^q"]
    for at, some in enumerate(batches(count, 20)):
        with world.wire(source=world.names.source()) as wire:
            names = [world.names("queue") for _ in range(5)]
            each(wire, lambda name: Queue.Declare(queue=name), names)
            each(wire, lambda name: Exchange.Declare(exchange="x" + name), names)
            each(wire, lambda name: Queue.Bind(queue=name, exchange="x" + name, routing_key="k"), names)
            each(wire, lambda name: Basic.Consume(queue=name, consumer_tag=name), names)
            wire.send_all(content("x" + name, "k", b"m") for name in names)
            for turn in range(some):
                place = at * 20 + turn
                if place % 3:
                    world.api.get(paths[place % len(paths)])
                else:
                    answer = world.api.ask("GET", scrapes[place % len(scrapes)])
                    assert answer.status == 200, answer
                world.pace()
            world.api.get(world.path("queues", "/", names[0]) + "?fresh=true")
            each(wire, lambda name: Queue.Delete(queue=name), names)
            each(wire, lambda name: Exchange.Delete(exchange="x" + name), names)
            wire.pushed.clear()


@feature(300)
def definitions_by_http(world, count):
    for _ in range(count):
        with world.vhost() as vhost:
            document = {
                "queues": [
                    {"name": world.names("queue"), "durable": True, "auto_delete": False, "arguments": {}}
                    for _ in range(20)
                ],
                "exchanges": [
                    {
                        "name": world.names("exchange"),
                        "type": "topic",
                        "durable": True,
                        "auto_delete": False,
                        "internal": False,
                        "arguments": {},
                    }
                ],
                "bindings": [],
                "policies": [],
            }
            where = world.path("definitions", vhost)
            answer = world.api("POST", where, document)
            assert answer.status in (200, 201, 204), answer
            exported = world.api.get(where)
            assert len(exported["queues"]) == 20
            world.api("POST", where, exported)
        world.pace()


@feature(3_000)
def refused_requests(world, count):
    """What is not there, not allowed, not JSON; connections that end in the middle of a head or a body."""
    for at in range(count):
        name = world.names("absent")
        if at % 3 == 0:
            assert world.api("GET", world.path("queues", "/", name)).status == 404
        elif at % 3 == 1:
            assert world.api("PUT", world.path("queues", "/", name), b"{no json").status == 400
        else:
            with socket.create_connection((world.broker.host, world.broker.http_port)) as one:
                whole = f"PUT /api/users/{name} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n"
                one.sendall(whole.encode()[: world.luck.randrange(1, len(whole))])
                if at % 2:
                    one.sendall(whole.encode() + b"Content-Length: 1000\r\n\r\n{")
        world.pace()


@feature(3_000)
def waits_cut_off(world, count):
    """Long polls and streams of events whose clients go away, some with messages that they were given."""
    where = world.path("queues", "/", "streamed")
    world.api.put(where, {"durable": True})
    for some in batches(count, 20):
        for at in range(some):
            world.api.post(where + "/messages", b"a message")
            with socket.create_connection((world.broker.host, world.broker.http_port), 20) as one:
                tail = "events?prefetch=5" if at % 2 else "messages?wait=60s&max=3&lease=1s"
                one.sendall(
                    f"GET /api{where}/{tail} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n".encode()
                )
                one.recv(65536)
            world.pace()
        world.api.delete(where + "/contents")
    world.api.delete(where)


@feature(600)
def rights_that_change(world, count):
    """Of users who are connected: set, taken away, and the user deleted under the connection."""
    for at in range(count):
        with world.user(tags="monitoring") as name:
            wire = world.wire(user=name, password=name)
            wire.ask_all([Queue.Declare(queue="own " + name, exclusive=True)])
            where = world.path("permissions", "/", name)
            for write in ("^$", "^own", world.names("pattern")):
                world.api.put(where, {"configure": ".*", "write": write, "read": write})
                wire.send_bytes(content("amq.topic", world.names("key"), b"m") if write == "^own" else b"")
            if at % 2:
                world.api.put(world.path("user-limits", name, "max-connections"), {"value": 5})
                wire.abort()
        if at % 2 == 0:
            wire.end()
            wire.socket.close()
        world.pace()


@feature(3_000)
def tls_connections(world, count):
    """By AMQP and HTTP: closed, reset, left in the handshake, answered with what is no TLS."""
    broker = world.broker
    context = broker.authority.client()
    for at in range(count):
        port = broker.ready_port("https" if at % 2 else "amqps")
        plainly = socket.create_connection((broker.host, port), 20)
        if at % 5 == 0:
            plainly.sendall(b"\x16\x03\x01\x02\x00\x01" if at % 2 else b"GET / HTTP/1.0\r\n\r\n")
        else:
            with context.wrap_socket(plainly, server_hostname="localhost") as secured:
                secured.sendall(b"GET /api/overview HTTP/1.1\r\nHost: h\r\n\r\n" if at % 2 else PROTOCOL_HEADER)
                secured.recv(65536)
        plainly.close()
        world.pace()


@feature(20_000)
def refused_methods(world, count):
    """Each closes its channel: a queue that is not there, another's, arguments that do not fit."""
    with world.wire() as wire:
        for _ in range(count):
            name = world.names("absent")
            wire.send(world.luck.choice([Queue.Declare(queue=name, passive=True), Basic.Get(queue=name)]), 1)
            assert wire.refusal()[0] == 404
            wire.send(commands.Channel.CloseOk(), 1)
            wire.open_channel(1)
            world.pace()
