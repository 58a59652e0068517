"""/metrics/detailed and /metrics/memory-breakdown, by RabbitMQ's names of families, metrics and labels."""

import json

import pika
import pytest

from harness.http import Api, eventually
from harness.pika_tools import parameters, publish
from test_http_metrics import parse, scrape

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")

ALWAYS = {"rabbitmq_identity_info", "rabbitmq_build_info"}
QUEUE = ("queue", "vhost")
# By family: metric and labels.
FAMILIES = {
    "connection_churn_metrics": {
        f"rabbitmq_detailed_{name}_total": ()
        for name in "connections_opened connections_closed channels_opened channels_closed "
        "queues_declared queues_created queues_deleted".split()
    },
    "node_coarse_metrics": {
        f"rabbitmq_detailed_{name}": () for name in "process_open_fds process_resident_memory_bytes disk_space_available_bytes".split()
    },
    "node_metrics": {
        f"rabbitmq_detailed_{name}": ()
        for name in "process_max_fds resident_memory_limit_bytes disk_space_available_limit_bytes erlang_uptime_seconds".split()
    },
    "auth_attempt_metrics": {
        f"rabbitmq_detailed_auth_attempts{name}_total": ("protocol",) for name in ("", "_succeeded", "_failed")
    },
    "queue_coarse_metrics": {
        f"rabbitmq_detailed_queue_messages{name}": QUEUE for name in ("", "_ready", "_unacked")
    },
    "queue_consumer_count": {"rabbitmq_detailed_queue_consumers": QUEUE},
    "queue_metrics": {
        f"rabbitmq_detailed_queue_{name}": QUEUE
        for name in "consumers process_memory_bytes messages_bytes messages_ready_bytes messages_unacked_bytes".split()
    },
    "queue_delivery_metrics": {
        f"rabbitmq_detailed_queue_{name}_total": QUEUE
        for name in "get_ack get messages_delivered_ack messages_delivered messages_redelivered messages_acked get_empty".split()
    },
    "exchange_metrics": {"rabbitmq_detailed_exchange_messages_published_total": ("exchange", "vhost")},
    "connection_coarse_metrics": {
        f"rabbitmq_detailed_connection_{name}_bytes_total": ("channel",) for name in ("incoming", "outgoing")
    },
    "connection_metrics": {"rabbitmq_detailed_connection_channels": ("channel",)},
    "channel_metrics": {
        f"rabbitmq_detailed_{name}": ("channel",)
        for name in "channel_consumers channel_messages_unacked channel_messages_unconfirmed consumer_prefetch channel_prefetch".split()
    },
    "vhost_status": {"rabbitmq_cluster_vhost_status": ("vhost",)},
    "exchange_bindings": {"rabbitmq_cluster_exchange_bindings": ("exchange", "type", "vhost")},
    "exchange_names": {"rabbitmq_cluster_exchange_name": ("exchange", "type", "vhost")},
}
# With any of these comes what a queue is.
WITH_INFO = {"queue_coarse_metrics", "queue_consumer_count", "queue_metrics"}
INFO = {"rabbitmq_detailed_queue_info": ("membership", "queue", "queue_type", "vhost")}

# What RabbitMQ 4.3 breaks memory down into.
MEMORY = (
    "code_module client_connection_reader client_connection_writer client_connection_channel client_connection_other "
    "classic_queue_erlang_process quorum_queue_erlang_process quorum_queue_dlx_erlang_process stream_erlang_process "
    "stream_replica_reader_erlang_process stream_coordinator_erlang_process plugin modern_metadata_store other_erlang_process "
    "metrics management_stats_db classic_metadata_store quorum_queue_ets_table modern_metadata_store_ets_table other_ets_table "
    "binary_heap message_index atom_table other_system runtime_allocated_unused runtime_reserved_unallocated"
).split()


@pytest.fixture
def broker(own_broker):
    started = own_broker(options=["--http", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"])
    started.prometheus_port = started.ready_port("prometheus")
    return started


@pytest.fixture
def busy(broker):
    """The broker, with a quorum queue that is consumed from and a classic one, each in a vhost of its own."""
    api = Api(broker)
    api.put("/vhosts/other")
    api.put("/queues/other/slow")
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("busy", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("busy", "amq.topic", "a.#")
        channel.queue_bind("busy", "amq.topic", "b.#")
        publish(channel, "busy", b"1234", b"1234", b"1234")
        channel.basic_get("busy", auto_ack=True)
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("busy", lambda *_: None)
        channel.basic_publish("amq.topic", "a.b", b"5678")
        eventually(lambda: detailed(broker, "family=queue_coarse_metrics")["rabbitmq_detailed_queue_messages_unacked"].get("busy"), 1)
        eventually(lambda: detailed(broker, "family=queue_coarse_metrics")["rabbitmq_detailed_queue_messages_ready"].get("busy"), 2)
        yield broker


def lines(broker, query):
    status, text = scrape(broker, broker.prometheus_port, "/metrics/detailed?" + query)
    assert status == 200
    return parse(text)


def detailed(broker, query):
    """{metric: {the queue, exchange, vhost or whatever it is of: value}}"""
    return {
        name: {labels.get("queue") or labels.get("exchange") or labels.get("vhost"): value for labels, value in samples}
        for name, samples in lines(broker, query).items()
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_its_metrics_with_their_labels_and_no_others(busy, family):
    found = lines(busy, "family=" + family)
    expected = FAMILIES[family] | (INFO if family in WITH_INFO else {})
    shown = {name: {tuple(sorted(labels)) for labels, _ in samples} for name, samples in found.items() if name not in ALWAYS}
    assert shown == {name: {labels} for name, labels in expected.items()}
    assert ALWAYS <= set(found) and found["rabbitmq_identity_info"][0][0]["rabbitmq_endpoint"] == "detailed"


def test_what_is_not_asked_for_or_not_known_has_no_lines(busy):
    for query in ("", "family=none", "family=ra_metrics&family=", "vhost=other"):
        assert set(lines(busy, query)) == ALWAYS, query


def test_figures_are_those_of_the_objects(busy):
    found = detailed(busy, "&".join("family=" + family for family in FAMILIES))
    queue = {name.removeprefix("rabbitmq_detailed_queue_"): values["busy"] for name, values in found.items() if "_queue_" in name}
    assert (queue["messages"], queue["messages_ready"], queue["messages_unacked"], queue["consumers"]) == (3, 2, 1, 1)
    assert (queue["messages_bytes"], queue["messages_ready_bytes"], queue["messages_unacked_bytes"]) == (12, 8, 4)
    assert (queue["get_total"], queue["messages_delivered_ack_total"], queue["messages_acked_total"]) == (1, 1, 0)
    assert found["rabbitmq_detailed_exchange_messages_published_total"]["amq.topic"] == 1
    assert found["rabbitmq_detailed_queues_created_total"] == {None: 2}
    assert found["rabbitmq_cluster_vhost_status"] == {"/": 1, "other": 1}
    everything = lines(busy, "&".join("family=" + family for family in FAMILIES))
    bindings = {(labels["vhost"], labels["exchange"]): value for labels, value in everything["rabbitmq_cluster_exchange_bindings"]}
    assert bindings[("/", "amq.topic")] == 2 and bindings[("other", "amq.topic")] == 0 and ("/", "") not in bindings
    info = {labels["queue"]: (labels["queue_type"], labels["membership"]) for labels, _ in everything["rabbitmq_detailed_queue_info"]}
    assert info == {"busy": ("rabbit_quorum_queue", "leader"), "slow": ("rabbit_classic_queue", "leader")}
    ((channel, prefetch),) = everything["rabbitmq_detailed_consumer_prefetch"]
    assert prefetch == 1 and channel["channel"].endswith(" (1)")
    attempts = {labels["protocol"]: value for labels, value in everything["rabbitmq_detailed_auth_attempts_succeeded_total"]}
    assert attempts["amqp091"] == 1


def test_vhosts_are_those_asked_for(busy):
    def queues(query):
        return set(detailed(busy, "family=queue_coarse_metrics&family=queue_delivery_metrics" + query)["rabbitmq_detailed_queue_messages"])

    assert queues("") == queues("&vhost=other&vhost=%2F") == {"busy", "slow"}
    assert queues("&vhost=other") == queues("&vhost=other&vhost=none") == {"slow"}
    nothing = lines(busy, "family=queue_coarse_metrics&family=exchange_metrics&vhost=none")
    assert set(nothing) == ALWAYS
    assert "amq.topic" not in detailed(busy, "family=exchange_metrics&vhost=other").get("rabbitmq_detailed_exchange_messages_published_total", {})


def test_queues_are_those_whose_names_the_pattern_is_found_in(busy):
    def queues(query, metric="queue_messages"):
        everything = "&".join("family=" + family for family in FAMILIES)
        return set(detailed(busy, everything + query).get("rabbitmq_detailed_" + metric, {}))

    for metric in ("queue_messages", "queue_consumers", "queue_messages_bytes", "queue_info", "queue_get_total"):
        assert queues("&queue=", metric) == queues("&queue=%5E[bs]", metric) == {"busy", "slow"}
        assert queues("&queue=^b.sy$", metric) == queues("&queue=s&vhost=%2F", metric) == {"busy"}
        assert queues("&queue=none", metric) == queues("&queue=S", metric) == queues("&queue=busy&vhost=other", metric) == set()
    assert queues("&queue=none", "exchange_messages_published_total") == queues("", "exchange_messages_published_total")
    assert queues("&queue=none", "connection_channels") == queues("", "connection_channels")
    for query, why in (
        ("queue=(", "'queue' is not a valid regular expression"),
        ("queue=a&queue=a", "'queue' may be given once only"),
        ("queue=" + "a" * 2001, "'queue' may have at most 2000 bytes"),
    ):
        status, text = scrape(busy, busy.prometheus_port, "/metrics/detailed?family=queue_metrics&" + query)
        assert (status, json.loads(text)) == (400, {"error": "bad_request", "reason": why})


def test_the_breakdown_of_memory_is_that_of_the_node(broker):
    api = Api(broker)
    api.put("/queues/%2F/q")
    message = {"properties": {}, "routing_key": "q", "payload": "x" * 100_000, "payload_encoding": "string"}
    api.post("/exchanges/%2F/amq.default/publish", message)
    api.get("/queues/%2F/q?fresh=true")
    status, text = scrape(broker, broker.prometheus_port, "/metrics/memory-breakdown")
    found = {name: samples[0][1] for name, samples in parse(text).items()}
    assert status == 200 and 'rabbitmq_endpoint="memory-breakdown"' in text
    memory = {name for name in found if name.startswith("rabbitmq_memory_")}
    assert set(found) == memory | ALWAYS and memory == {f"rabbitmq_memory_{part}_bytes" for part in MEMORY}
    shown = api.get(f"/nodes/{api.get('/overview')['node']}/memory")["memory"]
    assert len(memory) == len(set(shown) - {"total", "strategy"})
    used = {name: value for name, value in found.items() if name in memory and value != 0}
    assert set(used) == {"rabbitmq_memory_other_system_bytes", "rabbitmq_memory_classic_queue_erlang_process_bytes"}
    assert 100_000 <= used["rabbitmq_memory_classic_queue_erlang_process_bytes"] < 200_000
    assert 0.5 < sum(used.values()) / shown["total"]["rss"] < 2


def test_who_may_not_monitor_is_not_told(broker):
    api = Api(broker)
    api.put("/users/manager", {"password": "manager", "tags": "management"})
    for path in ("/metrics/detailed?family=queue_metrics", "/metrics/memory-breakdown"):
        assert Api(broker, "manager").ask("GET", path).status == 401
        assert api.ask("GET", path).headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert api.ask("GET", "/metrics/nonesuch").status == 404
