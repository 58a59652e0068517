"""How long messages wait in queues and are held by consumers: by the API and as metrics."""

import time

import pika
import pytest
from test_http_metrics import parse, scrape

from harness.http import Api
from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ does not measure it")


@pytest.fixture
def broker(own_broker):
    started = own_broker(options=["--http", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"])
    started.prometheus_port = started.ready_port("prometheus")
    return started


def wait_for(look, seconds=8):
    """What it gives, as soon as it is true."""
    found = []

    def ask():
        found[:] = [look()]
        return found[0]

    wait_until(ask, seconds)
    return found[0]


def wait_and_hold(broker, wait_s, hold_s, count=5):
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("q")
        for _ in range(count):
            channel.basic_publish("", "q", b"x")
        time.sleep(wait_s)
        tags = [channel.basic_get("q")[0].delivery_tag for _ in range(count)]
        time.sleep(hold_s)
        for tag in tags:
            channel.basic_ack(tag)
        channel.queue_declare("q", passive=True)


def test_the_api_says_how_long_messages_waited_and_were_held(broker):
    wait_and_hold(broker, 0.6, 0.3)
    api = Api(broker)
    told = wait_for(lambda: (q := api.get("/queues/%2F/q")["millrace"])["since_start"]["time_to_ack"]["count"] == 5 and q)
    start = told["since_start"]
    assert start["time_in_queue"]["count"] == 5
    assert 600_000 * 0.8 < start["time_in_queue"]["p50_us"] < 2_000_000
    assert 300_000 * 0.8 < start["time_to_ack"]["p50_us"] < 1_500_000
    assert told["oldest_message_age_ms"] is None
    for law in start["littles_law"].values():
        assert law["mean_length"] == pytest.approx(law["rate_times_time"], rel=0.05) and law["mean_length"] > 0
    # A list has what is recent alone.
    listed = api.get("/queues")[0]["millrace"]
    expected = {"time_in_queue", "time_to_ack", "oldest_message_age_ms", "arrival_rate", "service_rate", "utilisation", "scheduling"}
    assert set(listed) == expected


def test_what_is_recent_is_of_the_time_between_two_looks(broker):
    api = Api(broker)
    wait_and_hold(broker, 0.05, 0.05)
    wait_for(lambda: api.get("/queues/%2F/q")["millrace"]["since_start"]["time_to_ack"]["count"] == 5)
    time.sleep(1.1)
    quiet = api.get("/queues/%2F/q")["millrace"]
    assert quiet["time_in_queue"] == {"count": 0, "mean_us": None, "p50_us": None, "p90_us": None, "p99_us": None, "p999_us": None}
    assert quiet["time_in_queue_buckets"] == [] and quiet["utilisation"] == 0
    time.sleep(1.1)
    wait_and_hold(broker, 0.2, 0.2, 3)
    recent = wait_for(lambda: (q := api.get("/queues/%2F/q")["millrace"])["time_to_ack"]["count"] and q)
    assert recent["time_to_ack"]["count"] == 3 and recent["time_to_ack"]["mean_us"] >= 200_000
    assert sum(n for _, n in recent["time_in_queue_buckets"]) == 3
    assert recent["service_rate"] > 0 and 0 < recent["utilisation"] < 1


def test_the_oldest_message_ages(broker):
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        channel.basic_publish("", "q", b"x", pika.BasicProperties(delivery_mode=2))
        api = Api(broker)
        first = wait_for(lambda: api.get("/queues/%2F/q")["millrace"]["oldest_message_age_ms"])
        assert wait_for(lambda: api.get("/queues/%2F/q")["millrace"]["oldest_message_age_ms"] > first + 900)
        gauge = parse(scrape(broker, broker.prometheus_port)[1])["millrace_queue_oldest_message_age_seconds"]
        assert gauge[0][1] >= 0.9


def histogram(found, name, labels):
    def of(part):
        return [(k, v) for k, v in found.get(name + part, []) if {n: k[n] for n in k if n != "le"} == labels]

    return {k["le"]: v for k, v in of("_bucket")}, of("_sum")[0][1], of("_count")[0][1]


def test_metrics_have_histograms_that_outlive_their_queues(broker):
    wait_and_hold(broker, 0.3, 0.1)

    def look(path="/metrics"):
        return parse(scrape(broker, broker.prometheus_port, path)[1])

    name = "millrace_queue_time_in_queue_seconds"
    wait_for(lambda: histogram(look(), "millrace_queue_time_to_ack_seconds", {})[2] == 5)
    buckets, total, count = histogram(look(), name, {})
    assert count == buckets["+Inf"] == 5 and total >= 5 * 0.3
    assert buckets["0.016384"] == 0 and buckets["68719.476736"] == 5  # 2^14 and 2^36 microseconds
    assert list(buckets.values()) == sorted(buckets.values())
    per_object = look("/metrics/per-object")
    of_queue = histogram(per_object, name, {"vhost": "/", "queue": "q"})
    assert of_queue == (buckets, total, count)
    seconds = {k["queue"]: v for k, v in per_object["millrace_queue_ready_message_seconds_total"]}
    assert seconds["q"] == pytest.approx(total, rel=0.05)
    Api(broker).delete("/queues/%2F/q")
    wait_for(lambda: "millrace_queue_ready_message_seconds_total" not in look("/metrics/per-object"))
    assert histogram(look(), name, {}) == (buckets, total, count)
