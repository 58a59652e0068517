"""Fixtures of the end-to-end tests.

pytest                        against $MILLRACE_BINARY (default build/release/millrace)
pytest --peer rabbitmq        the same tests against Debian's rabbitmq-server, started and stopped by the tests
MILLRACE_KEEP_DATA=1 pytest        leaves the brokers' data directories below pytest's temporary directory
MILLRACE_PEER=amqp://... pytest    the same against a broker that is already running; what needs restarts is skipped
"""

import contextlib
import itertools
import os
import signal
import sys
import uuid
from pathlib import Path

import pika
import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Tests run beside each other: none takes the well-known port of the HTTP API. Those that want it say --http.
os.environ["MILLRACE_HTTP"] = "off"

from harness import definitions as definitions_file
from harness.cli import Cli
from harness.http import Api
from harness.millrace import Millrace, binary_path
from harness.pika_tools import parameters
from harness.process import ExternalBroker
from harness.rabbitmq import SERVER, RabbitMq


def pytest_addoption(parser):
    parser.addoption("--peer", choices=["rabbitmq"], help="run the tests against this broker instead of Millrace")


def peer_kind(config):
    if os.environ.get("MILLRACE_PEER"):
        return "external"
    return config.getoption("--peer")


def pytest_configure(config):
    if config.getoption("--peer") and not SERVER.exists():
        raise pytest.UsageError(f"--peer rabbitmq needs {SERVER} (apt-get install rabbitmq-server)")
    if not peer_kind(config) and not binary_path().exists():
        raise pytest.UsageError(f"there is no {binary_path()}; build it or set MILLRACE_BINARY")


def pytest_report_header(config):
    kind = peer_kind(config)
    if kind == "external":
        return f"broker: {os.environ['MILLRACE_PEER']}"
    return f"broker: {kind or binary_path()}"


def pytest_collection_modifyitems(config, items):
    if not peer_kind(config):
        return
    for item in items:
        for mark in item.iter_markers("differs_from_310"):
            item.add_marker(pytest.mark.xfail(reason=mark.args[0], strict=True))
        for mark in item.iter_markers("millrace_only"):
            item.add_marker(pytest.mark.skip(reason=mark.args[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for broker in item.funcargs.get("brokers_in_use", []):
            report.sections.append(("broker log", broker.log_tail()))
    return report


def new_process(config, directory, options=(), definitions=None):
    cls = RabbitMq if peer_kind(config) == "rabbitmq" else Millrace
    return cls(directory, options, definitions)


@pytest.fixture(scope="session")
def shared_broker(request, tmp_path_factory):
    if peer_kind(request.config) == "external":
        yield ExternalBroker(pika.URLParameters(os.environ["MILLRACE_PEER"]))
        return
    process = new_process(request.config, tmp_path_factory.mktemp("broker"))
    try:
        yield process.start()
        process.stop()
    finally:
        process.end()


@pytest.fixture(scope="module")
def module_broker(request, tmp_path_factory):
    """The broker of a module that says by DEFINITIONS which users, vhosts, policies... its tests need, or by OPTIONS how
    it is started."""
    if peer_kind(request.config) == "external":
        pytest.skip("an external peer is not set up as a test wants it")
    directory = tmp_path_factory.mktemp("broker")
    definitions = getattr(request.module, "DEFINITIONS", None)
    if definitions is not None:
        definitions = definitions_file.write(directory / "definitions.json", definitions)
    process = new_process(request.config, directory, getattr(request.module, "OPTIONS", ()), definitions)
    try:
        yield process.start()
        process.stop()
    finally:
        process.end()


@pytest.fixture
def brokers_in_use():
    return []


@pytest.fixture
def broker(request, brokers_in_use):
    """The broker that most tests share; everything a test declares in it has a name of its own."""
    its_own = hasattr(request.module, "DEFINITIONS") or hasattr(request.module, "OPTIONS")
    scope = "module_broker" if its_own else "shared_broker"
    broker = request.getfixturevalue(scope)
    brokers_in_use.append(broker)
    return broker


@pytest.fixture
def own_broker(request, tmp_path, brokers_in_use):
    """Makes a broker for this test alone: own_broker(options=[...], definitions={...}) starts it and returns it."""
    if peer_kind(request.config) == "external":
        pytest.skip("an external peer cannot be started, restarted or killed by a test")

    processes = []

    def make(options=(), definitions=None, start=True):
        directory = tmp_path / f"broker{len(processes)}"
        directory.mkdir()
        if definitions is not None:
            definitions = definitions_file.write(directory / "definitions.json", definitions)
        process = new_process(request.config, directory, options, definitions)
        processes.append(process)
        brokers_in_use.append(process)
        return process.start() if start else process

    yield make
    for process in processes:
        process.end()


@pytest.fixture
def api(broker):
    """The management API of the shared broker, whose module asks for it by OPTIONS."""
    return Api(broker)


@pytest.fixture
def cli(broker):
    return Cli(broker)


@pytest.fixture
def connect(broker):
    """Opens pika connections to the shared broker: connect(vhost=..., heartbeat=...)."""
    connections = []

    def open_connection(to=None, **more):
        connection = pika.BlockingConnection(parameters(to or broker, **more))
        connections.append(connection)
        return connection

    yield open_connection
    for connection in connections:
        close_quietly(connection)


def close_quietly(connection):
    with giving_up_after(5):
        if connection.is_open:
            connection.close()


@contextlib.contextmanager
def giving_up_after(seconds):
    """pika waits for answers for ever; a test that failed may have left a broker that gives none."""

    def give_up(*_):
        raise TimeoutError(f"no answer within {seconds} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    except (pika.exceptions.AMQPError, TimeoutError):
        pass
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def channel(connect):
    return connect().channel()


@pytest.fixture
def name(request):
    """Makes names that no other test uses: name() or name("dead-letters")."""
    counter = itertools.count()
    stem = f"{request.node.originalname}.{uuid.uuid4().hex[:6]}"

    def make(suffix="q"):
        return f"{stem}.{suffix}{next(counter)}"[-120:]

    return make


@pytest.fixture
def declare_queue(channel, name):
    """declare_queue(max_length=1) makes a durable queue with the argument x-max-length that goes with the test."""
    made = []

    def make(**arguments):
        queue = name()
        given = {f"x-{key}".replace("_", "-"): value for key, value in arguments.items() if value is not None}
        channel.queue_declare(queue, durable=True, arguments=given)
        made.append(queue)
        return queue

    yield make
    with giving_up_after(5):
        for queue in made:
            channel.queue_delete(queue)
