"""libmillrace against the broker under test, and against RabbitMQ where that is installed: the same program does the
same on both. Broken connections and killed brokers lose no confirmed message."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pika
import pytest

from harness.millrace import Millrace, binary_path
from harness.pika_tools import parameters
from harness.rabbitmq import SERVER, RabbitMq
from harness.relay import Relay

DRIVER = Path(os.environ.get("MILLRACE_CLIENT_DRIVER", binary_path().parent / "client/client_driver"))

pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason=f"there is no {DRIVER}; build the target client_driver")


@pytest.fixture(scope="module", params=["millrace", "rabbitmq"])
def process(request, tmp_path_factory):
    """A broker of its own, that a test may kill."""
    if request.param == "rabbitmq" and not SERVER.exists():
        pytest.skip("rabbitmq-server is not installed")
    started = (RabbitMq if request.param == "rabbitmq" else Millrace)(tmp_path_factory.mktemp(request.param)).start()
    yield started
    started.end()


def url(process):
    return f"amqp://guest:guest@127.0.0.1:{process.port}"


def drive(process, verb, queue, count=100, seconds=60):
    ended = subprocess.run(
        [str(DRIVER), verb, url(process), queue, str(count)], capture_output=True, timeout=seconds, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def test_publishes_and_consumes_in_order_by_coroutines(process):
    product = drive(process, "round_trip", "cpp-round-trip", 500)
    assert product == ("RabbitMQ millrace\n" if process.kind == "millrace" else "RabbitMQ other\n")


def test_errors_have_kinds_and_leave_the_client_usable(process):
    drive(process, "errors", "cpp-errors")


def test_requests_get_their_replies_and_the_errors_of_the_service(process):
    drive(process, "requests", "cpp-requests", 200)


def test_events_come_in_order_to_every_bus_on_the_exchange(process):
    drive(process, "events", "cpp-events", 200)


def numbers(count):
    return "listening\n" + "".join(f"{i}\n" for i in range(count))


def kept_for_the_driver(process, exchange):
    """How many events wait in the subscription of the driver's; None when there is no such queue."""
    connection = pika.BlockingConnection(parameters(process))
    try:
        queue = f"{exchange}:driver:birds.seen:birds.#"
        return connection.channel().queue_declare(queue, passive=True).method.message_count
    except pika.exceptions.ChannelClosedByBroker as refused:
        assert refused.reply_code == 404
        return None
    finally:
        connection.close()


def test_events_wait_for_a_listener_with_a_name_also_while_the_broker_is_killed(process):
    exchange = "cpp-kept"
    drive(process, "remember", exchange, 0)
    drive(process, "emit", exchange, 200)
    assert kept_for_the_driver(process, exchange) == 200
    process.kill()
    process.start()
    assert drive(process, "remember", exchange, 200) == numbers(200)
    drive(process, "emit", exchange, 3)
    drive(process, "forget", exchange)
    assert kept_for_the_driver(process, exchange) is None


def test_a_listener_with_a_name_hears_what_was_emitted_while_its_connection_was_cut(process):
    exchange, relay = "cpp-cut", Relay(process.port)
    listener = subprocess.Popen(
        [str(DRIVER), "remember", f"amqp://guest:guest@127.0.0.1:{relay.port}", exchange, "200"],
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(60, listener.kill)
    watchdog.start()
    try:
        assert listener.stdout.readline() == "listening\n"
        relay.cut()
        drive(process, "emit", exchange, 200)
        assert listener.poll() is None
        relay.mend()
        assert "listening\n" + listener.communicate()[0] == numbers(200)
        assert listener.returncode == 0
    finally:
        watchdog.cancel()
        listener.kill()
        listener.wait(10)
        relay.cut()


def test_listeners_of_one_name_and_pattern_share_the_events(process):
    drive(process, "share", "cpp-share", 200)


def bodies_in(process, queue):
    connection = pika.BlockingConnection(parameters(process))
    channel = connection.channel()
    bodies = []
    for method, _, body in channel.consume(queue, inactivity_timeout=2, auto_ack=True):
        if method is None:
            break
        bodies.append(int(body.rstrip(b"x")))
    connection.close()
    return bodies


def test_no_confirmed_message_is_lost_when_the_broker_is_killed_under_publishing(process):
    queue, count = "cpp-kill", 30000 if process.kind == "millrace" else 8000
    driver = subprocess.Popen(
        [str(DRIVER), "publish", url(process), queue, str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert driver.stdout.readline() == b"publishing\n"
        for _ in range(3 if process.kind == "millrace" else 1):
            time.sleep(0.15)
            process.kill()
            process.start()
        out, err = driver.communicate(timeout=90)
    finally:
        driver.kill()
        driver.wait(10)
    assert driver.returncode == 0, err.decode()
    assert out.startswith(b"%d confirmed" % count)
    assert set(bodies_in(process, queue)) == set(range(count))


def test_an_exclusive_queue_its_binding_and_its_consumer_come_back_after_a_restart(process):
    exchange = "cpp-news"
    driver = subprocess.Popen([str(DRIVER), "follow", url(process), exchange], stdout=subprocess.PIPE)
    watchdog = threading.Timer(60, driver.kill)
    watchdog.start()
    try:
        assert driver.stdout.readline() == b"connected\n"
        assert driver.stdout.readline() == b"listening\n"
        publish(process, exchange, b"before")
        assert driver.stdout.readline() == b"before\n"
        process.kill()
        process.start()
        assert driver.stdout.readline() == b"connected\n"
        time.sleep(0.5)  # "connected" says that the queue is bound; consuming follows at once
        publish(process, exchange, b"after", b"stop")
        assert driver.stdout.readline() == b"after\n"
        assert driver.wait(30) == 0
    finally:
        watchdog.cancel()
        driver.kill()
        driver.wait(10)


def test_a_thousand_clients_are_back_soon_after_a_kill_and_hinder_nobody(tmp_path):
    broker = Millrace(tmp_path).start()
    driver = subprocess.Popen(
        [str(DRIVER), "storm", url(broker), "cpp-storm", "1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    watchdog = threading.Timer(85, driver.kill)
    watchdog.start()
    try:
        assert driver.stdout.readline() == b"connected\n"
        broker.kill()
        broker.start()
        out, err = driver.communicate(timeout=85)
        assert driver.returncode == 0, err.decode()
        all_back, slowest_trip = (float(figure) for figure in out.split())
        print(f"all back {all_back:.2f} s after the first, slowest round trip {slowest_trip:.0f} ms")
        assert slowest_trip < 10_000
    finally:
        watchdog.cancel()
        driver.kill()
        driver.wait(10)
        broker.end()


def publish(process, exchange, *bodies):
    connection = pika.BlockingConnection(parameters(process))
    channel = connection.channel()
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish(exchange, "news.local", body, mandatory=True)
    connection.close()
