"""What a long-lived broker sees, a little of each: a round is all of these, in another order each time."""

import os
import subprocess
import time

import pika

from harness.pika_tools import PERSISTENT

from . import isolated
from .wire import body, content

ACTIVITIES = {}  # name: function of a world

# How many cycles of each feature are in a round.
CYCLES = {
    "durable_queues": 200,
    "transient_queues": 200,
    "expiring_queues": 100,
    "consumers": 200,
    "exchanges": 200,
    "topic_bindings": 200,
    "headers_bindings": 200,
    "direct_and_hash_bindings": 200,
    "connections": 150,
    "channels": 500,
    "failed_logins": 60,
    "users": 30,
    "vhosts": 20,
    "policies": 40,
    "parameters_and_limits": 30,
    "delayed_messages": 1500,
    "deduplication": 3000,
    "ranked_queues": 3000,
    "durable_messages": 6000,
    "large_bodies": 6,
    "dead_letters": 1000,
    "quorum_and_retry": 1000,
    "requests_and_replies": 200,
    "gets_and_transactions": 600,
    "returns": 500,
    "traces": 20,
    "firehose": 5,
    "events": 50,
    "consumers_by_http": 40,
    "waits_cut_off": 20,
    "lists_and_metrics": 60,
    "definitions_by_http": 4,
    "rights_that_change": 20,
    "tls_connections": 40,
    "refused_requests": 40,
    "refused_methods": 100,
}


def activity(function):
    ACTIVITIES[function.__name__] = function
    return function


def of_feature(name, count):
    function = isolated.FEATURES[name][1]
    return lambda world: function(world, world.times(count))


ACTIVITIES.update({name: of_feature(name, count) for name, count in CYCLES.items()})

KINDS_OF_QUEUES = [
    {},
    {"x-max-priority": 10},
    {"x-queue-type": "quorum"},
    {"x-single-active-consumer": True},
    {"x-max-length": 20},
    {"x-max-length-bytes": 5000, "x-overflow": "reject-publish"},
    {"x-message-ttl": 300},
    {"x-expires": 2000},
    {"x-scheduling": "sjf"},
    {"x-scheduling": "fair", "x-max-length": 30},
    {"x-scheduling": "edf", "x-message-ttl": 300},
    {"x-scheduling": "priority"},
    {"x-message-deduplication": True, "x-cache-size": 50},
    {"x-message-stamp": True},
    {"x-queue-type": "quorum", "x-delayed-retry-type": "all", "x-delayed-retry-min": 50, "x-delayed-retry-max": 90},
    {"x-queue-mode": "lazy", "x-dead-letter-exchange": "amq.fanout"},
]


@activity
def kinds_of_queues(world):
    """Used as programs use them, by a stock client."""
    for arguments in KINDS_OF_QUEUES:
        with world.client() as channel:
            channel.basic_qos(prefetch_count=5)
            queue = world.names("queue")
            channel.queue_declare(queue, durable=True, arguments=arguments)
            channel.queue_bind(queue, "amq.topic", f"{world.names('word')}.*")
            for size in (0, 10, 1000, 5000, 200_000):
                for number in range(8):
                    headers = {"x-deduplication-header": f"{size}.{number}", "x-size": size, "x-key": f"{number % 3}"}
                    properties = pika.BasicProperties(
                        delivery_mode=1 + number % 2,
                        priority=number,
                        headers=headers,
                        expiration="5000" if number == 7 else None,
                    )
                    channel.basic_publish("", queue, body(size), properties)
            seen = 0
            for method, _, _ in channel.consume(queue, inactivity_timeout=0.3):
                if method is None or seen == 30:
                    break
                seen += 1
                if seen % 5:
                    channel.basic_ack(method.delivery_tag)
                else:
                    channel.basic_reject(method.delivery_tag, requeue=seen % 2 == 0)
            channel.cancel()
            channel.basic_get(queue)
            channel.queue_purge(queue)
            channel.queue_delete(queue)


@activity
def queues_of_one_connection(world):
    """Exclusive ones, with names that the server gives; they go with their connection, however it ends."""
    with world.client() as channel:
        for _ in range(10):
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "amq.fanout")
            channel.basic_consume(queue, lambda *_: None, auto_ack=True, consumer_tag=world.names("tag"))
            channel.basic_publish("", queue, b"m" * 100)
    for end in ("reset", "closed") * 5:
        wire = world.wire()
        names = [one.queue for one in wire.ask_all([isolated.Queue.Declare(exclusive=True)] * 5)]
        isolated.each(wire, lambda name: isolated.Queue.Bind(queue=name, exchange="amq.fanout"), names)
        isolated.each(wire, lambda name: isolated.Basic.Consume(queue=name, consumer_tag=name), names)
        wire.send_all([content("amq.fanout", "", b"m" * 1000)] * 20)
        if end == "reset":
            wire.abort()
        else:
            wire.socket.close()


@activity
def backlog(world):
    """More than is kept in memory: it goes to segments and comes back."""
    queue = world.names("backlog")
    message = content("", queue, body(8000), delivery_mode=2)
    with world.wire() as wire:
        wire.ask_all([isolated.Queue.Declare(queue=queue, durable=True)])
        wire.confirm()
        count = world.times(5000)
        wire.send_all([message] * count)
        wire.wait_for_confirms(count)
        wire.ask_all([isolated.Basic.Consume(queue=queue, no_ack=True)])
        wire.deliveries(count // 2)
        wire.ask_all([isolated.Queue.Delete(queue=queue)])


@activity
def cycle_of_dead_letters(world):
    """Queues whose messages expire into each other, a policy that changes meanwhile, an operator's as well."""
    first, second, policy = world.names("queue"), world.names("queue"), world.names("policy")
    with world.client() as channel:
        for queue, other in ((first, second), (second, first)):
            arguments = {"x-message-ttl": 100, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": other}
            channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.confirm_delivery()
        for number in range(50):
            channel.basic_publish("", first, b"m" * 100, PERSISTENT)
            if number % 10 == 0:
                for kind in ("policies", "operator-policies"):
                    rule = {"max-length": 30 + number}
                    where = world.path(kind, "/", policy)
                    world.api.put(where, {"pattern": first, "apply-to": "queues", "definition": rule})
        channel.connection.sleep(0.5)
        for kind in ("policies", "operator-policies"):
            world.api.delete(world.path(kind, "/", policy))
        channel.queue_delete(first)
        channel.queue_delete(second)


@activity
def whole_definitions(world):
    """Of the node; what it imports again is only what does not change."""
    exported = world.api.get("/definitions")
    again = {
        "vhosts": [one for one in exported["vhosts"] if one["name"] == "/"],
        "permissions": [one for one in exported["permissions"] if one["user"] == "guest" and one["vhost"] == "/"],
    }
    assert world.api("POST", "/definitions", again).status in (200, 201, 204)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert world.api("POST", "/login", b"username=guest&password=guest", form).status == 200
    assert world.api("GET", "/config/effective").status == 200


def run(world, *words, **more):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MILLRACE_")}
    command = [str(world.broker.binary), *words, "--http", f"127.0.0.1:{world.broker.http_port}"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **more)


@activity
def tasks(world):
    """A worker of the command line, and calls: waited for, kept, late, unique, cancelled."""
    with world.vhost() as vhost:
        where = ("--vhost", vhost)
        worker = run(world, "worker", *where, "--queue", "jobs", "--run", "soak.say=echo {0}", "--jobs", "2")
        try:
            assert worker.stdout.readline().endswith(b" takes tasks\n")
            for words in (["--wait", "10"], ["--keep", "1s"], ["--delay", "1"], ["--unique", world.names("call")]):
                submit = run(world, "task", "submit", "soak.say", world.names("word"), *where, "--queue", "jobs", *words)
                submit.communicate(timeout=60)
                assert submit.returncode == 0, words
            time.sleep(1.5)  # what was late
        finally:
            worker.terminate()
            worker.communicate(timeout=60)


@activity
def vhosts_full_of_things(world):
    """Deleted as one, under a connection."""
    with world.vhost() as vhost:
        wire = world.wire(vhost=vhost)
        names = [world.names("queue") for _ in range(20)]
        isolated.each(wire, lambda name: isolated.Queue.Declare(queue=name, durable=True), names)
        isolated.each(wire, lambda name: isolated.Exchange.Declare(exchange=name, exchange_type="topic"), names)
        for name in names:
            wire.ask_all([isolated.Queue.Bind(queue=name, exchange=name, routing_key=world.names("word"))])
            world.api.put(world.path("policies", vhost, name), {"pattern": name, "definition": {"max-length": 5}})
        wire.send_all(content("", name, body(2000), delivery_mode=2) for name in names * 5)
        isolated.each(wire, lambda name: isolated.Basic.Consume(queue=name, consumer_tag=name), names)
    wire.end()
    wire.socket.close()
