"""The management HTTP API: each resource read and changed as RabbitMQ's tools do."""

import base64
import http.client
import time

import pika
import pytest

from harness.http import Api, eventually, segment
from harness.pika_tools import Inbox, depth, get, parameters, publish, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]

HOSTILE = [
    "a/b?c#d&e=f%2F+g",
    "<img src=x onerror=alert(1)>",
    "sp ace\ttab\"quote'\\",
    "日本語 ñ 🐰",
    "..",
    "%00",
    "line\nfeed\r\nX-Injected: 1",
]


def test_the_overview_has_all_that_tools_require_even_when_idle(api):
    overview = api.get("/overview")
    for key in ("cluster_name", "node", "erlang_full_version", "erlang_version", "rabbitmq_version", "product_name"):
        assert isinstance(overview[key], str), key
    for key in ("messages", "messages_ready", "messages_unacknowledged"):
        assert isinstance(overview["queue_totals"][key], int)
        assert isinstance(overview["queue_totals"][key + "_details"]["rate"], float)
    for key in ("channels", "connections", "consumers", "exchanges", "queues"):
        assert isinstance(overview["object_totals"][key], int)
    for key in ("publish", "deliver_get", "ack", "confirm", "redeliver"):
        assert isinstance(overview["message_stats"][key + "_details"]["rate"], float)
    assert len([key for key in overview["churn_rates"] if not key.endswith("_details")]) == 7
    assert overview["statistics_db_event_queue"] == 0
    assert {listener["protocol"] for listener in overview["listeners"]} == {"amqp", "http"}
    for listener in overview["listeners"]:
        assert listener["node"] == overview["node"] and listener["port"] > 0 and listener["ip_address"]


# Those that rabbitmqadmin 2 refuses to do without.
MEMORY_OF_NODE = set(
    "connection_readers connection_writers connection_channels connection_other queue_procs quorum_queue_procs"
    " stream_queue_procs stream_queue_replica_reader_procs stream_queue_coordinator_procs plugins metadata_store"
    " other_proc metrics mgmt_db mnesia quorum_ets metadata_store_ets other_ets binary msg_index code atom other_system"
    " allocated_unused reserved_unallocated".split()
)


def test_a_node_has_all_that_tools_require(api):
    (node,) = api.get("/nodes")
    for key in ("uptime", "run_queue", "processors", "fd_total", "proc_total", "mem_limit", "disk_free_limit"):
        assert isinstance(node[key], int), key
    for key in ("mem_alarm", "disk_free_alarm", "being_drained", "running"):
        assert isinstance(node[key], bool), key
    assert node["os_pid"] == str(api.broker.pid)
    assert node["rates_mode"] == "basic" and node["enabled_plugins"] == []
    assert node["mem_used"] > 1 << 20 and node["disk_free"] > 0 and node["fd_used"] > 3
    assert api.get("/nodes/" + segment(node["name"]))["name"] == node["name"]
    memory = api.get(f"/nodes/{segment(node['name'])}/memory")["memory"]
    assert memory.pop("total")["rss"] > 1 << 20 and memory.pop("strategy") == "rss"
    assert set(memory) >= MEMORY_OF_NODE and all(isinstance(value, int) for value in memory.values())
    assert api("GET", "/nodes/other@host").status == 404


def test_whoami_and_small_things(api):
    assert api.get("/whoami") == {"name": "guest", "tags": ["administrator"]}
    assert api.get("/cluster-name")["name"]
    assert api.get("/version") == api.get("/overview")["rabbitmq_version"]
    for path in ("/extensions", "/feature-flags", "/deprecated-features", "/shovels", "/federation-links"):
        assert api.get(path) == []
    assert api.get("/auth") == {"oauth_enabled": False}
    api.post("/rebalance/queues", expect=204)
    api.delete("/reset")


def test_queues_are_declared_shown_and_deleted(api, name):
    path = "/queues/%2F/" + segment(name())
    arguments = {"x-max-length": 5, "x-dead-letter-exchange": "amq.fanout"}
    api.put(path, {"durable": True, "arguments": arguments}, expect=201)
    api.put(path, {"durable": True, "arguments": arguments}, expect=204)
    queue = api.get(path)
    assert queue["arguments"].items() >= arguments.items()
    assert (queue["durable"], queue["auto_delete"], queue["exclusive"], queue["vhost"]) == (True, False, False, "/")
    assert (queue["messages"], queue["messages_ready"], queue["messages_unacknowledged"]) == (0, 0, 0)
    assert queue["type"] == "classic" and queue["node"] == api.get("/overview")["node"]
    assert queue["consumer_details"] == [] and queue["message_stats"]["publish_details"]["rate"] == 0.0
    refused = api("PUT", path, {"durable": False, "arguments": arguments})
    assert refused.status == 400 and refused.json["error"] == "bad_request"
    assert "inequivalent arg 'durable'" in refused.json["reason"]
    api.delete(path)
    assert api("GET", path).json == {"error": "Object Not Found", "reason": "Not Found"}
    api.delete(path, expect=404)


def test_a_queue_is_not_deleted_while_it_is_used_or_not_empty(api, channel, declare_queue):
    queue = declare_queue()
    path = "/queues/%2F/" + segment(queue)
    publish(channel, queue, b"m")
    wait_until(lambda: depth(channel, queue) == 1)
    assert api("DELETE", path + "?if-empty=true").status == 400
    inbox = Inbox(channel, queue)
    inbox.wait(1)
    assert api("DELETE", path + "?if-unused=true").status == 400
    api.delete(path)


def test_a_queue_tells_its_figures_and_consumers(api, channel, declare_queue):
    queue = declare_queue()
    path = "/queues/%2F/" + segment(queue)
    publish(channel, queue, *[b"four"] * 5)
    channel.basic_qos(prefetch_count=2)
    inbox = Inbox(channel, queue, auto_ack=False)
    inbox.wait(2)
    channel.basic_ack(inbox.deliveries[0][0].delivery_tag)
    inbox.wait(3)

    def figures():
        found = api.get(path)
        return found["messages"], found["messages_ready"], found["messages_unacknowledged"], found["consumers"]

    eventually(figures, (4, 2, 2, 1))
    found = api.get(path)
    stats = found["message_stats"]
    assert (stats["publish"], stats["deliver"], stats["deliver_get"], stats["ack"]) == (5, 3, 3, 1)
    assert found["message_bytes_ready"] == 8
    (consumer,) = found["consumer_details"]
    assert consumer["consumer_tag"] == inbox.tag and consumer["prefetch_count"] == 2
    assert consumer["ack_required"] and consumer["active"] and not consumer["exclusive"]
    assert consumer["queue"] == {"name": queue, "vhost": "/"} and consumer["channel_details"]["number"] == 1
    assert consumer in api.get("/consumers/%2F") and consumer in api.get("/consumers")
    channels = [c for c in api.get("/channels") if c["name"] == consumer["channel_details"]["name"]]
    assert [(c["prefetch_count"], c["messages_unacknowledged"], c["consumer_count"]) for c in channels] == [(2, 2, 1)]
    shown = api.get("/channels/" + segment(channels[0]["name"]))
    assert shown["consumer_details"] == [consumer]


def test_rates_follow_what_happens(api, channel, declare_queue):
    queue = declare_queue()
    path = "/queues/%2F/" + segment(queue)
    seen = []

    def moving():
        publish(channel, queue, *[b"m"] * 20)
        seen.append(api.get(path)["message_stats"]["publish_details"]["rate"])
        return seen[-1] > 0 and api.get("/overview")["message_stats"]["publish_details"]["rate"] > 0

    wait_until(moving, 8, lambda: str(seen))


def test_lists_are_paged_sorted_and_cut_to_columns(api, channel, name):
    stem = name("page")
    queues = [f"{stem}-{i:02}" for i in range(12)]
    for queue in queues:
        channel.queue_declare(queue, durable=True)
    publish(channel, queues[7], b"m", b"m")
    query = f"name={segment(stem)}&page=2&page_size=5&columns=name,vhost&sort=name"
    page = api.get("/queues?" + query)
    assert [item["name"] for item in page["items"]] == queues[5:10]
    assert page["items"][0] == {"name": queues[5], "vhost": "/"}
    assert (page["page"], page["page_count"], page["page_size"]) == (2, 3, 5)
    assert (page["item_count"], page["filtered_count"]) == (5, 12) and page["total_count"] >= 12
    reverse = api.get("/queues/%2F?" + query.replace("page=2", "page=1") + "&sort_reverse=true")
    assert reverse["items"][0]["name"] == queues[11]
    # As KEDA asks.
    regex = segment(f"^{stem}-0[78]$")
    keda = f"/queues/%2F?page=1&use_regex=true&pagination=false&name={regex}&page_size=100"
    eventually(lambda: [(q["name"], q["messages"]) for q in api.get(keda)["items"]], [(queues[7], 2), (queues[8], 0)])
    most = api.get("/queues/%2F?sort=messages_ready&sort_reverse=true&columns=name")
    assert most[0]["name"] == queues[7]
    for column in ("messages", "message_bytes", "message_bytes_ready", "memory", "consumers"):
        shown = [queue[column] for queue in api.get(f"/queues/%2F?sort={column}")]
        assert shown == sorted(shown) and (column == "consumers" or shown[-1] > 0), column
    nested = api.get(f"/queues/%2F/{segment(queues[7])}?columns=message_stats.publish")
    assert nested == {"message_stats": {"publish": 2}}
    for bad in ("page=0", "page=x", "page=99&page_size=500", "page=1&page_size=501", "page=1&use_regex=true&name=("):
        assert api("GET", "/queues?" + bad).status == 400, bad
    for queue in queues:
        channel.queue_delete(queue)


def test_exchanges_are_declared_shown_and_deleted(api, name):
    path = "/exchanges/%2F/" + segment(name("x"))
    body = {"type": "topic", "durable": True, "arguments": {"alternate-exchange": "amq.fanout"}}
    api.put(path, body, expect=201)
    api.put(path, body, expect=204)
    exchange = api.get(path)
    assert exchange["arguments"] == body["arguments"]
    assert (exchange["type"], exchange["durable"], exchange["internal"]) == ("topic", True, False)
    assert exchange["name"] in [item["name"] for item in api.get("/exchanges")]
    assert {"", "amq.direct", "amq.topic"} <= {item["name"] for item in api.get("/exchanges/%2F")}
    assert api.get("/exchanges/%2F/amq.default")["name"] == ""
    assert api("PUT", path, {"type": "direct"}).status == 400
    assert api("PUT", "/exchanges/%2F/" + segment(name()), {"type": "no-such"}).status == 400
    assert api("DELETE", "/exchanges/%2F/amq.direct").status == 401
    api.delete(path)
    assert api("GET", path).status == 404


def test_bindings_are_made_found_by_their_key_and_deleted(api, name):
    queue, exchange, second = name("q"), name("x"), name("y")
    api.put("/queues/%2F/" + segment(queue))
    api.put("/exchanges/%2F/" + segment(exchange), {"type": "topic"})
    api.put("/exchanges/%2F/" + segment(second), {"type": "fanout"})
    to_queue = f"/bindings/%2F/e/{segment(exchange)}/q/{segment(queue)}"
    for key, arguments in (("a.*/~ b", {}), ("", {}), ("k", {"x-match": "all"})):
        made = api.post(to_queue, {"routing_key": key, "arguments": arguments}, expect=201)
        assert made.headers["Location"]
        found = [b for b in api.get(to_queue) if b["routing_key"] == key]
        assert [b["arguments"] for b in found] == [arguments]
        properties = found[0]["properties_key"]
        one = to_queue + "/" + segment(properties)
        assert api.get(one) == found[0]
        assert found[0] in api.get("/bindings") and found[0] in api.get("/bindings/%2F")
        assert found[0] in api.get(f"/queues/%2F/{segment(queue)}/bindings")
        assert found[0] in api.get(f"/exchanges/%2F/{segment(exchange)}/bindings/source")
        api.delete(one)
        assert api("GET", one).status == 404
    assert [b["source"] for b in api.get(f"/queues/%2F/{segment(queue)}/bindings")] == [""]
    to_exchange = f"/bindings/%2F/e/{segment(exchange)}/e/{segment(second)}"
    api.post(to_exchange, {"routing_key": "#"}, expect=201)
    assert api.get(f"/exchanges/%2F/{segment(second)}/bindings/destination")[0]["destination_type"] == "exchange"
    assert api("POST", f"/bindings/%2F/e/{segment(exchange)}/q/none", {}).status == 404
    assert api("POST", f"/bindings/%2F/e/{segment(exchange)}/z/{segment(queue)}", {}).status == 404
    for path in ("/queues/%2F/" + segment(queue), "/exchanges/%2F/" + segment(exchange)):
        api.delete(path)
    api.delete("/exchanges/%2F/" + segment(second))


def test_messages_are_published_and_got(api, channel, declare_queue):
    queue = declare_queue()
    path = "/queues/%2F/" + segment(queue)
    properties = {
        "delivery_mode": 2,
        "priority": 3,
        "content_type": "text/plain",
        "correlation_id": "c",
        "message_id": "m",
        "timestamp": 1_700_000_000,
        "app_id": "a",
        "headers": {"n": 1, "t": "x", "l": [1, "b", None], "o": {"p": True, "f": 1.5}},
    }
    message = {"routing_key": queue, "payload": "héllo", "payload_encoding": "string", "properties": properties}
    assert api.post("/exchanges/%2F/amq.default/publish", message).json == {"routed": True}
    method, got, body = get(channel, queue, auto_ack=False)
    # pika takes a double for a whole number.
    assert body == "héllo".encode() and got.headers == properties["headers"] | {"o": {"p": True, "f": 1}}
    assert (got.delivery_mode, got.priority, got.app_id, got.timestamp) == (2, 3, "a", 1_700_000_000)
    channel.basic_nack(method.delivery_tag)
    ask = {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"}
    wait_until(lambda: depth(channel, queue) == 1)
    (taken,) = api.post(path + "/get", ask).json
    assert taken["properties"] == properties and taken["payload"] == "héllo" and taken["redelivered"]
    assert (taken["exchange"], taken["routing_key"], taken["payload_bytes"]) == ("", queue, 6)
    (again,) = api.post(path + "/get", ask | {"encoding": "base64", "truncate": 2}).json
    assert (again["payload"], again["payload_encoding"]) == (base64.b64encode("hé".encode()[:2]).decode(), "base64")
    assert len(api.post(path + "/get", ask | {"ackmode": "ack_requeue_false"}).json) == 1
    assert api.post(path + "/get", ask).json == []


def test_payloads_that_are_not_text_go_by_base64(api, declare_queue):
    queue = declare_queue()
    octets = bytes(range(256))
    message = {"routing_key": queue, "properties": {}, "payload_encoding": "base64"}
    message["payload"] = base64.b64encode(octets).decode()
    api.post("/exchanges/%2F/amq.default/publish", message)
    ask = {"count": 1, "ackmode": "reject_requeue_false", "encoding": "auto"}
    (taken,) = api.post(f"/queues/%2F/{segment(queue)}/get", ask).json
    assert taken["payload_encoding"] == "base64" and base64.b64decode(taken["payload"]) == octets
    assert api("POST", "/exchanges/%2F/amq.default/publish", message | {"payload": "***"}).status == 400
    unroutable = api.post("/exchanges/%2F/amq.default/publish", message | {"routing_key": queue + "-none"})
    assert unroutable.json == {"routed": False}


@pytest.mark.parametrize(
    "change",
    [
        {"routing_key": "k" * 256},
        {"payload_encoding": "rot13"},
        {"properties": {"expiration": "soon"}},
        {"properties": {"user_id": "somebody else"}},
        {"properties": {"app_id": "a" * 256}},
        {"properties": {"headers": {"CC": "not a list"}}},
        {"payload": 5},
    ],
)
def test_a_publish_that_cannot_be_is_refused(api, change):
    message = {"routing_key": "q", "payload": "", "payload_encoding": "string", "properties": {}}
    refused = api("POST", "/exchanges/%2F/amq.default/publish", message | change)
    assert refused.status == 400 and refused.json["error"] == "bad_request"


def test_a_full_queue_refuses_a_publish(api, declare_queue):
    queue = declare_queue(max_length=1, overflow="reject-publish")
    message = {"routing_key": queue, "payload": "", "payload_encoding": "string", "properties": {}}
    api.post("/exchanges/%2F/amq.default/publish", message)
    assert api("POST", "/exchanges/%2F/amq.default/publish", message).status == 503


def test_a_queue_is_purged(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, *[b"m"] * 3)
    wait_until(lambda: depth(channel, queue) == 3)
    api.delete(f"/queues/%2F/{segment(queue)}/contents")
    assert depth(channel, queue) == 0
    assert api("POST", f"/queues/%2F/{segment(queue)}/actions", {"action": "sync"}).status == 204
    assert api("POST", f"/queues/%2F/{segment(queue)}/actions", {"action": "dance"}).status == 400


@pytest.mark.parametrize(
    "path, body",
    [
        ("/queues/%2F/" + "q" * 256, {}),
        ("/exchanges/%2F/" + "x" * 256, {"type": "direct"}),
        ("/vhosts/" + "v" * 256, {}),
        ("/users/" + "u" * 256, {"password": "x", "tags": ""}),
        ("/policies/%2F/" + "p" * 256, {"pattern": ".", "definition": {"max-length": 1}}),
        ("/policies/%2F/p", {"pattern": "(", "definition": {"max-length": 1}}),
        ("/policies/%2F/p", {"pattern": ".", "apply-to": "nothing", "definition": {"max-length": 1}}),
        ("/permissions/%2F/guest", {"configure": "(", "write": ".*", "read": ".*"}),
        ("/topic-permissions/%2F/guest", {"exchange": "", "write": "[", "read": ".*"}),
    ],
)
def test_what_no_protocol_can_say_and_no_pattern_can_mean_is_refused(api, path, body):
    answer = api("PUT", path, body)
    assert answer.status == 400 and answer.json["error"] == "bad_request", answer


def test_exchanges_channels_and_connections_tell_what_went_through_them(api, channel, declare_queue, name):
    name = name()
    queue = declare_queue()
    channel.exchange_declare(name, "fanout")
    channel.queue_bind(queue, name)
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish(name, "", b"x" * 1000)
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("amq.direct", "nowhere", b"", mandatory=True)
    got = channel.basic_get(queue, auto_ack=False)
    channel.basic_ack(got[0].delivery_tag)

    def exchange():
        return api.get("/exchanges/%2F/" + segment(name))["message_stats"]["publish_out"]

    eventually(exchange, 3)
    assert api.get("/exchanges/%2F/" + segment(name))["message_stats"]["publish_in"] == 3
    consumers = [c for c in api.get("/channels") if c["message_stats"]["publish"] == 4]
    assert len(consumers) == 1
    stats = consumers[0]["message_stats"]
    assert (stats["confirm"], stats["return_unroutable"], stats["get"], stats["ack"]) == (4, 1, 1, 1)
    assert consumers[0]["confirm"] and consumers[0]["messages_unconfirmed"] == 0
    (connection,) = [c for c in api.get("/connections") if c["name"] == consumers[0]["connection_details"]["name"]]
    assert connection["recv_oct"] > 3000 and connection["send_oct"] > 1000
    assert isinstance(connection["recv_oct_details"]["rate"], float)
    channel.exchange_delete(name)


def test_queues_are_listed_without_their_figures(api, declare_queue):
    queue = declare_queue()
    short = [q for q in api.get("/queues?disable_stats=true") if q["name"] == queue][0]
    assert "message_stats" not in short and "messages" not in short and short["type"] == "classic"
    totals = [q for q in api.get("/queues/%2F?disable_stats=true&enable_queue_totals=true") if q["name"] == queue][0]
    assert totals["messages"] == 0 and "memory" not in totals
    assert queue in [q["name"] for q in api.get("/queues/detailed")]


def test_connections_are_listed_and_closed_with_a_reason(api, broker, name):
    connection = pika.BlockingConnection(
        parameters(broker, client_properties={"connection_name": "by name <b>"}, heartbeat=30)
    )
    connection.channel()

    def mine():
        return [c for c in api.get("/connections") if c["user_provided_name"] == "by name <b>"]

    wait_until(lambda: len(mine()) == 1)
    (found,) = mine()
    assert (found["user"], found["vhost"], found["protocol"]) == ("guest", "/", "AMQP 0-9-1")
    assert (found["peer_host"], found["timeout"], found["state"]) == ("127.0.0.1", 30, "running")
    assert found["auth_mechanism"] == "PLAIN" and found["port"] == broker.port and found["channels"] == 1
    path = "/connections/" + segment(found["name"])
    assert api.get(path)["name"] == found["name"]
    assert [c["number"] for c in api.get(path + "/channels")] == [1]
    assert found["name"] in [c["name"] for c in api.get("/vhosts/%2F/connections")]
    assert found["name"] in [c["name"] for c in api.get("/connections/username/guest")]
    assert api("DELETE", path, headers={"X-Reason": "because"}).status == 204
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.process_data_events(5)
    assert (closed.value.reply_code, closed.value.reply_text) == (320, "CONNECTION_FORCED - because")
    wait_until(lambda: mine() == [])
    assert api("DELETE", path).status == 404


def test_health_checks(api, broker):
    for check in (
        "alarms",
        "local-alarms",
        f"port-listener/{broker.port}",
        f"port-listener/{broker.http_port}",
        "protocol-listener/amqp",
        "protocol-listener/http",
        "virtual-hosts",
        "certificate-expiration/1/months",
        "node-is-quorum-critical",
        "quorum-queues-without-elected-leaders/all-vhosts/pattern/.*",
        "quorum-queues-without-elected-leaders/vhost/%2F/pattern/.*",
        "reached-target-cluster-size",
        "below-node-connection-limit",
        "is-in-service",
        "ready-to-serve-clients",
    ):
        assert api.get("/health/checks/" + check)["status"] == "ok", check
    for check in ("port-listener/1", "protocol-listener/stomp"):
        failed = api("GET", "/health/checks/" + check)
        assert failed.status == 503 and failed.json["status"] == "failed" and failed.json["reason"]
    assert api("GET", "/health/checks/certificate-expiration/1/fortnights").status == 400
    assert api.get("/healthchecks/node")["status"] == "ok"
    assert api.get("/aliveness-test/%2F") == {"status": "ok"}


def test_a_node_that_is_full_says_so(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0", "--max-connections", "1"])
    api, check = Api(broker), "/health/checks/below-node-connection-limit"
    assert api.get(check) == {"status": "ok", "limit": 1, "connections": 0}
    with pika.BlockingConnection(parameters(broker)):
        full = api("GET", check)
        assert full.status == 503 and full.json["status"] == "failed" and full.json["connections"] == 1


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_go_there_and_back(api, hostile, name):
    queue = hostile + name()[-12:]
    path = "/queues/%2F/" + segment(queue)
    api.put(path, expect=201)
    answer = api("GET", path)
    assert answer.json["name"] == queue and "X-Injected" not in answer.headers
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert queue in [q["name"] for q in api.get("/queues")]
    message = {"routing_key": queue, "payload": hostile, "payload_encoding": "string", "properties": {}}
    assert api.post("/exchanges/%2F/amq.default/publish", message).json == {"routed": True}
    ask = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert api.post(path + "/get", ask).json[0]["payload"] == hostile
    (implicit,) = api.get(path + "/bindings")
    assert api.get(f"/bindings/%2F/e/amq.default/q/{segment(queue)}/{segment(implicit['properties_key'])}") == implicit
    api.delete(path)


def test_a_name_that_is_not_text_is_refused_in_words_that_are(api):
    refused = api("PUT", "/queues/%2F/bad%FF%FE", {})
    assert refused.status == 401 and "'bad\ufffd\ufffd'" in refused.json["reason"]


def test_bodies_that_are_not_what_they_should_be_are_refused(api):
    for body in (b"xx", b"[]", b"5", b'{"durable": 7}', b'{"arguments": 7}', b"[" * 100_000, b'{"durable"'):
        refused = api("PUT", "/queues/%2F/never", body)
        assert refused.status == 400 and refused.json["error"] == "bad_request", body[:20]
    assert api("GET", "/queues/%2F/never").status == 404
    assert api("PUT", "/queues/%2F/never", {"arguments": {"x-max-length": "x"}}).status == 400
    for path in ("/nonsense", "/queues/%2F/a/b/c", ""):
        assert api("GET", path).json == {"error": "Object Not Found", "reason": "Not Found"}
    wrong = api("PATCH", "/queues")
    assert wrong.status == 405 and "GET" in wrong.headers["Allow"]
    assert api("GET", "/queues/%zz/a").status == 400


def test_a_head_request_has_no_body(api):
    answer = api("HEAD", "/overview")
    assert answer.status == 200 and answer.octets == b"" and int(answer.headers["Content-Length"]) > 100


def test_what_was_declared_by_the_api_outlives_a_restart(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    api = Api(broker)
    api.put("/vhosts/v")
    api.put("/users/u", {"password": "u", "tags": "management"})
    api.put("/permissions/v/u", {"configure": ".*", "write": ".*", "read": ".*"})
    api.put("/queues/v/q", {"durable": True, "arguments": {"x-max-length": 3}})
    api.put("/policies/v/p", {"pattern": "q", "definition": {"message-ttl": 100000}})
    message = {"routing_key": "q", "payload": "kept", "payload_encoding": "string"}
    api.post("/exchanges/v/amq.default/publish", message | {"properties": {"delivery_mode": 2}})
    broker.kill()
    broker.start()
    again = Api(broker, "u")
    queue = again.get("/queues/v/q")
    assert queue["policy"] == "p" and queue["arguments"]["x-max-length"] == 3
    eventually(lambda: again.get("/queues/v/q")["messages"], 1)
    ask = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert again.post("/queues/v/q/get", ask).json[0]["payload"] == "kept"


def test_a_deleted_vhost_and_all_in_it_stay_gone(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    api = Api(broker)
    message = {"routing_key": "q", "payload": "m", "payload_encoding": "string", "properties": {"delivery_mode": 2}}
    for round_number in range(2):
        api.put("/vhosts/v", expect=201)
        api.put("/queues/v/q", {"durable": True}, expect=201)
        api.put("/exchanges/v/later", {"type": "x-delayed-message", "arguments": {"x-delayed-type": "direct"}})
        connection = pika.BlockingConnection(parameters(broker, vhost="v"))
        inbox = Inbox(connection.channel(), "q", auto_ack=False)
        api.post("/exchanges/v/amq.default/publish", message)
        inbox.wait(1)
        api.post("/exchanges/v/amq.default/publish", message)
        api.delete("/vhosts/v")
        with pytest.raises(pika.exceptions.AMQPError):
            for _ in range(50):
                connection.process_data_events(0.1)
        if round_number == 0:
            broker.kill()
            broker.start()
    broker.stop()
    broker.start()
    assert [v["name"] for v in api.get("/vhosts")] == ["/"] and api.get("/queues") == []
    api.put("/vhosts/v")
    assert api.get("/queues/v") == []


def test_the_api_can_be_off(own_broker):
    assert own_broker().http_port == 0


def test_it_stops_while_requests_are_under_way(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    idle = http.client.HTTPConnection(broker.host, broker.http_port, timeout=5)
    idle.connect()
    Api(broker).get("/overview")
    started = time.monotonic()
    broker.stop(10)
    assert time.monotonic() - started < 5
    idle.close()
