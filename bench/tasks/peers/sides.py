"""What is put side by side: each a task system on a server of its own."""

import dataclasses
import functools
import importlib.metadata
import importlib.util
import pathlib
import subprocess
import typing

from comparison import brokers
from peers import libmillrace, redis_peers
from peers.redis_server import Redis


@dataclasses.dataclass
class Side:
    name: str
    missing: str  # what this machine lacks for it, if anything
    version: typing.Callable | None = None  # of what it consists of
    server: typing.Callable | None = None  # makes it from a folder
    measure: typing.Callable | None = None  # the figures, from a server that runs


def all_sides(options, log):
    yield from millrace_sides(options)
    yield from celery_sides(options, log)
    for peer in redis_peers.PEERS:
        yield from redis_sides(peer, options, log)


def millrace_version(options):
    return subprocess.run([options.program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def millrace_sides(options):
    built = options.program.exists() and options.bench.exists()
    yield Side(
        name="libmillrace on Millrace",
        missing="" if built else f"{options.program} or {options.bench} is not built",
        version=lambda: millrace_version(options),
        server=functools.partial(brokers.Millrace, program=options.program),
        measure=functools.partial(libmillrace.figures, program=options.bench, count=options.count),
    )


def celery_sides(options, log):
    no_celery = "" if importlib.util.find_spec("celery") else "this Python has no celery; that of scripts/test has"
    no_rabbitmq = "" if pathlib.Path(brokers.RabbitMQ.SERVER).exists() else "apt-get install rabbitmq-server"
    no_millrace = "" if options.program.exists() else f"{options.program} is not built"

    def version_on(broker_version):
        return f"Celery {importlib.metadata.version('celery')}, {broker_version}"

    def measure(broker):
        from peers import celery_peer  # imports what Celery brings

        return celery_peer.figures(broker, options.celery_count, log)

    yield Side(
        name="Celery on Millrace",
        missing=no_celery or no_millrace,
        version=lambda: version_on(millrace_version(options)),
        server=functools.partial(brokers.Millrace, program=options.program),
        measure=measure,
    )
    yield Side(
        name="Celery on RabbitMQ",
        missing=no_celery or no_rabbitmq,
        version=lambda: version_on(f"RabbitMQ {brokers.RabbitMQ.version()}"),
        server=brokers.RabbitMQ,
        measure=measure,
    )


def redis_sides(peer, options, log):
    for name, durable in ((peer.name, False), (f"{peer.name}, durable", True)):
        yield Side(
            name=name,
            missing=redis_peers.missing(peer),
            version=lambda: f"{peer.version()}, {Redis.version()}",
            server=functools.partial(peer.server, durable=durable),
            measure=functools.partial(redis_peers.figures, peer, count=options.peer_count, log=log),
        )
