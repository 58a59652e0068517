"""/metrics in Prometheus' text format, by the names that RabbitMQ's dashboards read."""

import http.client
import re

import pika
import pytest

from harness.http import Api
from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")

SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\})? (\d+(?:\.\d+)?)')
LABEL = re.compile(r'(\w+)="((?:[^"\\\n]|\\.)*)"')

# What RabbitMQ-Overview.json reads, but for the sizes of messages.
DASHBOARD = """
    rabbitmq_identity_info rabbitmq_build_info rabbitmq_queue_messages_ready rabbitmq_queue_messages_unacked
    rabbitmq_global_publishers rabbitmq_global_consumers rabbitmq_connections rabbitmq_channels rabbitmq_queues
    rabbitmq_connections_opened_total rabbitmq_connections_closed_total rabbitmq_channels_opened_total
    rabbitmq_channels_closed_total rabbitmq_queues_declared_total rabbitmq_queues_created_total
    rabbitmq_queues_deleted_total rabbitmq_resident_memory_limit_bytes rabbitmq_process_resident_memory_bytes
    rabbitmq_disk_space_available_bytes rabbitmq_disk_space_available_limit_bytes rabbitmq_process_max_fds
    rabbitmq_process_open_fds rabbitmq_erlang_uptime_seconds
""".split() + [
    f"rabbitmq_global_messages_{name}_total"
    for name in "received received_confirm confirmed routed delivered delivered_consume_auto_ack "
    "delivered_consume_manual_ack delivered_get_auto_ack delivered_get_manual_ack get_empty redelivered acknowledged "
    "unroutable_dropped unroutable_returned".split()
]


def parse(text):
    """{name: [(labels, value)]}; every line must be of the format, and every family of one piece."""
    samples, types, last = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} comes twice"
            types[name] = kind
            last = name
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found, line
            parts = {last + part for part in ("_bucket", "_sum", "_count")}
            assert found[1] in (parts if types[last] == "histogram" else {last}), line
            value = float(found[3]) if "." in found[3] else int(found[3])
            samples.setdefault(found[1], []).append((dict(LABEL.findall(found[2] or "")), value))
    return samples


def scrape(broker, port, path="/metrics"):
    connection = http.client.HTTPConnection(broker.host, port, timeout=20)
    connection.request("GET", path)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


@pytest.fixture
def broker(own_broker):
    started = own_broker(options=["--http", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"])
    started.prometheus_port = started.ready_port("prometheus")
    return started


def test_metrics_are_what_the_dashboards_read_and_count_what_happens(broker):
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        hostile = 'q "quoted" \\ back \u00fc'
        for queue in ("plain", hostile):
            channel.queue_declare(queue)
        for _ in range(3):
            channel.basic_publish("", hostile, b"1234")
        channel.basic_ack(channel.basic_get(hostile)[0].delivery_tag)
        channel.basic_get("plain")
        with pytest.raises(pika.exceptions.UnroutableError):
            channel.basic_publish("amq.direct", "nowhere", b"", mandatory=True)

        def values():
            found = parse(scrape(broker, broker.prometheus_port)[1])
            return {name: lines[0][1] for name, lines in found.items()}

        wait_until(lambda: values()["rabbitmq_global_messages_acknowledged_total"] == 1, 8)
        found = values()
        assert set(DASHBOARD) <= set(found), set(DASHBOARD) - set(found)
        assert found["rabbitmq_queues"] == 2 and found["rabbitmq_queue_messages_ready"] == 2
        assert found["rabbitmq_connections"] == 1 and found["rabbitmq_channels"] == 1
        for name, value in (
            ("received", 4),
            ("routed", 3),
            ("delivered", 1),
            ("get_empty", 1),
            ("unroutable_returned", 1),
        ):
            assert found[f"rabbitmq_global_messages_{name}_total"] == value, name

        by_queue = parse(scrape(broker, broker.prometheus_port, "/metrics/per-object")[1])
        ready = {labels["queue"]: value for labels, value in by_queue["rabbitmq_queue_messages_ready"]}
        assert ready == {"plain": 0, 'q \\"quoted\\" \\\\ back \u00fc': 2}
        assert by_queue["rabbitmq_identity_info"][0][0]["rabbitmq_endpoint"] == "per-object"
    wait_until(lambda: values()["rabbitmq_connections_closed_total"] == 1, 8)
    wait_until(lambda: values()["rabbitmq_channels_closed_total"] == 1, 8)
    assert values()["rabbitmq_global_messages_received_total"] == 4


def test_sizes_of_messages_are_counted_in_rabbitmqs_buckets(broker):
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q")
        for size in (0, 100, 101, 20_000, 2_000_000):
            channel.basic_publish("", "q", bytes(size))

        def sizes():
            return parse(scrape(broker, broker.prometheus_port)[1])

        wait_until(lambda: sizes()["rabbitmq_message_size_bytes_count"][0][1] == 5, 8)
        found = sizes()
    assert found["rabbitmq_message_size_bytes_sum"][0][1] == 2_020_201
    buckets = {labels["le"]: value for labels, value in found["rabbitmq_message_size_bytes_bucket"]}
    assert buckets == {
        **{"100.0": 2, "1000.0": 3, "10000.0": 3, "100000.0": 4, "1e+06": 4},
        **{"1e+07": 5, "5e+07": 5, "1e+08": 5, "+Inf": 5},
    }


def test_the_port_for_metrics_serves_nothing_else_and_the_api_wants_a_login(broker):
    assert scrape(broker, broker.prometheus_port, "/api/overview")[0] == 404
    assert scrape(broker, broker.prometheus_port, "/api/definitions")[0] == 404
    assert scrape(broker, broker.prometheus_port, "/")[0] == 404
    assert scrape(broker, broker.http_port)[0] == 401
    admin = Api(broker)
    admin.put("/users/manager", {"password": "manager", "tags": "management"})
    admin.put("/users/watcher", {"password": "watcher", "tags": "monitoring"})
    for path in ("/metrics", "/metrics/per-object"):
        assert Api(broker, "manager").ask("GET", path).status == 401
        answer = Api(broker, "watcher").ask("GET", path)
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
