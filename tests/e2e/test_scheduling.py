"""x-scheduling: queues that serve by size, urgency, key or the other way round, by argument and by policy."""

import random
import time
from decimal import Decimal

import pika
import pytest

from harness.http import Api
from harness.pika_tools import PERSISTENT, get, parameters, refusal, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ serves in order of arrival, or by priority")


def send(channel, queue, body, persistent=False, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    properties = pika.BasicProperties(headers=named, delivery_mode=2 if persistent else 1)
    channel.basic_publish("", queue, str(body).encode(), properties)


def serve(channel, queue, count):
    """Bodies in the order in which a worker of one slot gets them."""
    channel.basic_qos(prefetch_count=1)
    bodies = []
    for method, _, body in channel.consume(queue, inactivity_timeout=5):
        assert method is not None, f"only {len(bodies)} of {count} came: {bodies}"
        bodies.append(body.decode())
        channel.basic_ack(method.delivery_tag)
        if len(bodies) == count:
            break
    channel.cancel()
    return bodies


def settled(channel, queue, count):
    wait_until(lambda: channel.queue_declare(queue, passive=True).method.message_count == count, 5)


def test_the_shortest_job_goes_first(channel, declare_queue):
    queue = declare_queue(scheduling="sjf")
    for size in (300, 20, "7.5", Decimal("20.5"), 1000):
        send(channel, queue, size, x_size=size)
    settled(channel, queue, 5)
    assert serve(channel, queue, 5) == ["7.5", "20", "20.5", "300", "1000"]


def test_the_latest_goes_first(channel, declare_queue):
    queue = declare_queue(scheduling="lifo")
    for number in range(5):
        send(channel, queue, number)
    settled(channel, queue, 5)
    assert serve(channel, queue, 5) == list("43210")


def test_the_highest_priority_goes_first_without_levels_being_declared(channel, declare_queue):
    queue = declare_queue(scheduling="priority")
    for priority in (0, 9, 255, 9):
        channel.basic_publish("", queue, str(priority).encode(), pika.BasicProperties(priority=priority))
    settled(channel, queue, 4)
    assert serve(channel, queue, 4) == ["255", "9", "9", "0"]


def test_a_header_can_say_the_priority(channel, declare_queue):
    queue = declare_queue(scheduling="priority", rank_header="urgency")
    for urgency in (1, -5, 3):
        send(channel, queue, urgency, urgency=urgency)
    settled(channel, queue, 3)
    assert serve(channel, queue, 3) == ["3", "1", "-5"]


def test_what_is_due_first_goes_first(channel, declare_queue):
    queue = declare_queue(scheduling="edf")
    now_ms = int(time.time() * 1000)
    send(channel, queue, "whenever")
    send(channel, queue, "later", x_deadline=now_ms + 60_000)
    send(channel, queue, "soon", x_deadline=now_ms + 1_000)
    settled(channel, queue, 3)
    assert serve(channel, queue, 3) == ["soon", "later", "whenever"]


def test_tenants_take_turns_by_weight(channel, declare_queue):
    queue = declare_queue(scheduling="fair", rank_weights={"gold": 2})
    for tenant in ("heavy", "light", "gold"):
        for number in range(60 if tenant == "heavy" else 12):
            send(channel, queue, f"{tenant}{number}", x_key=tenant)
    settled(channel, queue, 84)
    served = serve(channel, queue, 84)
    first = [body.rstrip("0123456789") for body in served[:20]]
    assert (first.count("gold"), first.count("heavy"), first.count("light")) == (10, 5, 5)
    for tenant in ("heavy", "light", "gold"):
        own = [int(body[len(tenant) :]) for body in served if body.startswith(tenant)]
        assert own == sorted(own)


def test_waiting_makes_up_for_size(channel, declare_queue):
    queue = declare_queue(scheduling="aged-sjf", rank_ageing="0.5")
    send(channel, queue, "long", x_size=200)  # goes behind what comes within 400 ms
    send(channel, queue, "at once", x_size=1)
    time.sleep(0.6)
    send(channel, queue, "too late", x_size=1)
    settled(channel, queue, 3)
    assert serve(channel, queue, 3) == ["at once", "long", "too late"]


def test_sizes_are_learned_for_each_name(channel, declare_queue):
    queue = declare_queue(scheduling="sjf")
    for task in ("slow", "quick"):
        send(channel, queue, task, task=task)
        method = get(channel, queue, auto_ack=False)[0]
        time.sleep(0.3 if task == "slow" else 0.01)
        channel.basic_ack(method.delivery_tag)
    for task in ("slow", "quick", "slow", "quick"):
        send(channel, queue, task, task=task)
    send(channel, queue, "given", task="slow", x_size=1)
    settled(channel, queue, 5)
    assert serve(channel, queue, 5) == ["given", "quick", "quick", "slow", "slow"]


def test_what_is_given_back_keeps_its_place(channel, declare_queue):
    queue = declare_queue(scheduling="sjf")
    send(channel, queue, "middle", x_size=5)
    method, _, _ = get(channel, queue, auto_ack=False)
    send(channel, queue, "short", x_size=1)
    send(channel, queue, "long", x_size=9)
    channel.basic_nack(method.delivery_tag, requeue=True)
    settled(channel, queue, 3)
    assert serve(channel, queue, 3) == ["short", "middle", "long"]


def test_a_full_queue_drops_what_would_be_served_last(channel, declare_queue):
    dead = declare_queue()
    queue = dead + "-bounded"
    arguments = {
        "x-scheduling": "sjf",
        "x-max-length": 2,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead,
    }
    channel.queue_declare(queue, durable=True, arguments=arguments)
    for size in (5, 1, 9, 3):
        send(channel, queue, size, x_size=size)
    dropped = {get(channel, dead)[2] for _ in range(2)}
    assert dropped == {b"9", b"5"}
    assert serve(channel, queue, 2) == ["1", "3"]
    channel.queue_delete(queue)


def test_what_expires_goes_wherever_it_stands(channel, declare_queue):
    queue = declare_queue(scheduling="sjf", message_ttl=200)
    for size in (9, 5, 1):
        send(channel, queue, size, x_size=size)
    time.sleep(0.3)
    wait_until(lambda: channel.queue_declare(queue, passive=True).method.message_count == 0, 5)


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
@pytest.mark.parametrize("order", ["sjf", "fair", "lifo"])
def test_the_order_is_the_same_after_a_crash(own_broker, order, queue_type):
    broker = own_broker(options=["--shards", "1"])
    arguments = {"x-scheduling": order, "x-queue-type": queue_type}
    luck = random.Random(7)
    messages = [(number, luck.randrange(40), luck.choice("aaab")) for number in range(300)]
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q", durable=True, arguments=arguments)
        for number, size, key in messages:
            send(channel, "q", number, persistent=True, x_size=size, x_key=key)
        before = serve(channel, "q", 40)
        # In the one log that there is a confirm comes behind the acks before it.
        channel.queue_declare("fence", durable=True)
        send(channel, "fence", 0, persistent=True)
    broker.kill()
    broker.start()
    with pika.BlockingConnection(parameters(broker)) as connection:
        after = serve(connection.channel(), "q", 260)
    served = [int(number) for number in before + after]
    assert sorted(served) == list(range(300))
    if order == "lifo":
        assert served == list(reversed(range(300)))
    elif order == "sjf":
        assert served == [number for number, _, _ in sorted(messages, key=lambda m: (m[1], m[0]))]
    else:
        keys = [messages[number][2] for number in served]
        both = 2 * keys.count("b")  # while both have messages, they take turns
        assert abs(keys[:both].count("a") - both // 2) <= 1


def test_a_policy_changes_the_order_of_what_is_queued(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    api = Api(broker)
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        for number in range(2000):
            send(channel, "q", number, x_size=number * 7 % 2000)
        settled(channel, "q", 2000)
        api.put("/policies/%2F/order", {"pattern": "^q$", "definition": {"scheduling": "sjf"}})
        wait_until(lambda: api.get("/queues/%2F/q")["millrace"]["scheduling"] == "sjf", 5)
        time.sleep(0.5)
        assert [int(body) * 7 % 2000 for body in serve(channel, "q", 5)] == [0, 1, 2, 3, 4]
        api.put("/policies/%2F/order", {"pattern": "^q$", "definition": {"scheduling": "lifo"}})
        time.sleep(0.5)
        assert serve(channel, "q", 3) == ["1999", "1998", "1997"]
        api.delete("/policies/%2F/order")
        time.sleep(0.5)
        rest = [int(body) for body in serve(channel, "q", 1992)]
        assert rest == sorted(rest)


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ({"x-scheduling": "random"}, "invalid arg 'x-scheduling' for queue '{}' in vhost '/': invalid_scheduling"),
        ({"x-scheduling": 3}, "invalid arg 'x-scheduling' for queue '{}' in vhost '/': {{unacceptable_type,"),
        ({"x-scheduling": "sjf", "x-max-priority": 3}, "invalid arg 'x-scheduling' for queue '{}' in vhost '/': scheduling_with_max_priority"),
        ({"x-rank-ageing": 0}, "invalid arg 'x-rank-ageing' for queue '{}' in vhost '/': {{value_out_of_range,0}}"),
        ({"x-rank-cost": "bytes"}, "invalid arg 'x-rank-cost' for queue '{}' in vhost '/': invalid_rank_cost"),
        ({"x-rank-weights": {"a": -1}}, "invalid arg 'x-rank-weights' for queue '{}' in vhost '/': 'a': {{value_out_of_range,-1}}"),
        ({"x-rank-header": ""}, "invalid arg 'x-rank-header' for queue '{}' in vhost '/': invalid_header_name"),
    ],
)
def test_a_bad_argument_is_refused_with_its_reason(channel, name, arguments, reason):
    queue = name("q")[-40:]
    code, text = refusal(channel.queue_declare, queue, arguments=arguments)
    assert code == 406 and text.startswith("PRECONDITION_FAILED - " + reason.format(queue))


def test_a_bad_policy_is_refused(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    body = {"pattern": ".*", "definition": {"scheduling": "random"}}
    answer = Api(broker)("PUT", "/policies/%2F/order", body)
    assert answer.status == 400 and "invalid_scheduling" in answer.json["reason"]


def test_the_api_predicts_how_long_messages_wait(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    api = Api(broker)
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True, arguments={"x-scheduling": "sjf"})
        for _ in range(10):
            channel.basic_publish("", "q", b"x", PERSISTENT)
            method, _, _ = get(channel, "q", auto_ack=False)
            time.sleep(0.02)
            channel.basic_ack(method.delivery_tag)
            time.sleep(0.1)

        def told():
            start = api.get("/queues/%2F/q")["millrace"]["since_start"]
            return start if start["time_to_ack"]["count"] == 10 else None

        wait_until(lambda: told() is not None, 8)
        waiting = told()["waiting"]
    assert 20_000 <= waiting["mean_size_us"] < 200_000
    assert 0 < waiting["utilisation"] < 1
    assert waiting["measured_us"] is not None
    assert 0 < waiting["predicted_us"] == waiting["what_if_us"]["sjf"] <= waiting["what_if_us"]["fifo"]
