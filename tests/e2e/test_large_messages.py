"""Messages larger than the default allows, where the operator allows them: whole, durable, and with one copy in memory."""

import random

import pika
import pytest

from harness.pika_tools import PERSISTENT, get, parameters, refusal_of_publish, wait_for_depth

pytestmark = pytest.mark.millrace_only("an option of our own program, and a promise about its memory")

MIB = 1 << 20
ALLOW_64_MIB = ["--max-message-bytes", "64MiB"]


def channel_of(broker):
    return pika.BlockingConnection(parameters(broker)).channel()


def random_bytes(size):
    seed = random.randrange(1 << 32)
    print(f"body of seed {seed}")
    return random.Random(seed).randbytes(size)


def peak_bytes(broker):
    """The most memory that the broker has had so far."""
    with open(f"/proc/{broker.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def sanitized(broker):
    with open(f"/proc/{broker.pid}/maps", "rb") as maps:
        return b"libasan" in maps.read()


def test_a_message_of_64_mib_survives_a_restart_with_one_copy_in_memory(own_broker):
    broker = own_broker(options=ALLOW_64_MIB)
    channel = channel_of(broker)
    channel.queue_declare("q", durable=True)
    channel.confirm_delivery()
    before = broker.resident_bytes()
    payload = random_bytes(64 * MIB)
    channel.basic_publish("", "q", payload, PERSISTENT, mandatory=True)
    published = peak_bytes(broker) - before
    broker.stop()

    broker.start()
    channel = channel_of(broker)
    assert get(channel, "q", auto_ack=False)[2] == payload
    restarted = peak_bytes(broker) - before
    if not sanitized(broker):
        assert published < 96 * MIB
        assert restarted < 96 * MIB


def test_a_message_of_64_mib_survives_a_kill(own_broker):
    broker = own_broker(options=ALLOW_64_MIB)
    channel = channel_of(broker)
    channel.queue_declare("q", durable=True)
    channel.confirm_delivery()
    payload = random_bytes(64 * MIB)
    channel.basic_publish("", "q", payload, PERSISTENT, mandatory=True)
    broker.kill()
    broker.start()
    assert get(channel_of(broker), "q")[2] == payload


def test_one_octet_more_than_allowed_is_refused(own_broker):
    channel = channel_of(own_broker(options=ALLOW_64_MIB))
    code, text = refusal_of_publish(channel, "", "nowhere", bytes(64 * MIB + 1))
    assert code == 406
    assert text == "PRECONDITION_FAILED - message size 67108865 is larger than configured max size 67108864"


def test_a_delayed_message_of_64_mib_survives_a_restart(own_broker):
    broker = own_broker(options=ALLOW_64_MIB)
    channel = channel_of(broker)
    channel.exchange_declare("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": "direct"})
    channel.queue_declare("q", durable=True)
    channel.queue_bind("q", "later", "k")
    channel.confirm_delivery()
    payload = random_bytes(64 * MIB)
    channel.basic_publish("later", "k", payload, pika.BasicProperties(delivery_mode=2, headers={"x-delay": 3000}))
    broker.kill()
    broker.start()
    assert get(channel_of(broker), "q", seconds=10)[2] == payload


def test_a_dead_lettered_message_of_64_mib_survives_a_kill(own_broker):
    broker = own_broker(options=ALLOW_64_MIB)
    channel = channel_of(broker)
    channel.queue_declare("dead", durable=True)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("q", durable=True, arguments=arguments)
    payload = random_bytes(64 * MIB)
    channel.basic_publish("", "q", payload, PERSISTENT)
    method = get(channel, "q", auto_ack=False)[0]
    channel.basic_nack(method.delivery_tag, requeue=False)
    wait_for_depth(channel, "dead", 1)
    broker.kill()
    broker.start()
    assert get(channel_of(broker), "dead")[2] == payload
