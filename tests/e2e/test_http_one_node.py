"""What RabbitMQ's HTTP API says of clusters, streams and AMQP 1.0, answered by one node that has none of them."""

import pika
import pytest

from harness.http import Api, segment
from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]


@pytest.fixture
def node(api):
    return api.get("/overview")["node"]


@pytest.fixture
def watcher(api, broker, name):
    """Who may look at all and change nothing, and has no permission anywhere."""
    made = name("u")
    api.put("/users/" + segment(made), {"password": "pw", "tags": "monitoring"})
    return Api(broker, made, "pw")


def refusal(answer):
    return answer.status, answer.json["error"], answer.json["reason"]


def test_memory_is_shown_in_hundredths_as_well(api, node):
    absolute, relative = (api.get(f"/nodes/{node}/memory{way}")["memory"] for way in ("", "/relative"))
    assert relative["total"] == 100 and set(relative) == set(absolute) - {"strategy"}
    assert absolute["queue_procs"] + absolute["other_system"] == absolute["total"]["rss"]
    assert relative["other_system"] > 50 and 99 <= relative["queue_procs"] + relative["other_system"] <= 101
    assert {value for part, value in relative.items() if part not in ("total", "queue_procs", "other_system")} == {0}
    assert api("GET", "/nodes/none@here/memory/relative").status == 404


def test_the_configuration_is_shown_to_administrators(own_broker):
    broker = own_broker(options=OPTIONS + ["--heartbeat", "17", "--amqp", "127.0.0.1:0"])
    api = Api(broker)
    answer = api("GET", "/config/effective", expect=200)
    assert answer.headers["Content-Type"] == "text/plain"
    text = answer.octets.decode()
    assert text.startswith("[{millrace,\n     [{'data-dir',") and text.endswith("]}]\n")
    for term in ("{'heartbeat',\"17\"}", "{'sync',\"sync\"}", "{'tls-ca',undefined}"):
        assert term in text
    assert "{'http',[\"127.0.0.1:0\"]}" in text
    api.put("/users/watcher", {"password": "watcher", "tags": "monitoring"})
    assert Api(broker, "watcher")("GET", "/config/effective").status == 401


def test_there_is_no_feature_flag_to_enable(api, watcher):
    assert refusal(api("PUT", "/feature-flags/khepri_db/enable", {})) == (400, "bad_request", "unsupported")
    assert watcher("PUT", "/feature-flags/khepri_db/enable", {}).status == 401


def test_a_connection_has_no_sessions(api, broker):
    with pika.BlockingConnection(parameters(broker)):
        wait_until(lambda: api.get("/connections?fresh=true"))
        connection = segment(api.get("/connections")[0]["name"])
        answer = api("GET", f"/connections/{connection}/sessions")
        assert refusal(answer) == (400, "bad_request", "connection does not use AMQP 1.0")
    assert api("GET", "/connections/none/sessions").status == 404


def test_nobody_is_connected_to_streams(api, watcher):
    for kind in ("connections", "publishers", "consumers"):
        assert api.get(f"/stream/{kind}") == watcher.get(f"/stream/{kind}/%2F") == []
        assert api("GET", f"/stream/{kind}/none").status == 404


def test_a_quorum_queue_has_one_member(api, watcher, node, name):
    queue, classic = name("q"), name("q")
    api.put("/queues/%2F/" + queue, {"arguments": {"x-queue-type": "quorum"}})
    api.put("/queues/%2F/" + classic)
    (member,) = api.get(f"/queues/quorum/%2F/{queue}/status")
    assert (member.pop("Node Name"), member.pop("Raft State"), member.pop("Membership")) == (node, "leader", "voter")
    assert set(member) == {"Last Log Index", "Last Written", "Last Applied", "Commit Index", "Snapshot Index", "Term", "Machine Version"}
    failed = api("GET", f"/queues/quorum/%2F/{classic}/status")
    assert (failed.status, failed.json) == (503, {"status": "failed", "reason": "classic_queue_not_supported"})
    assert api("GET", "/queues/quorum/%2F/none/status").status == 404
    # Not without a permission in the vhost: RabbitMQ's CVE-2026-66076.
    assert watcher("GET", f"/queues/quorum/%2F/{queue}/status").status == 401


def test_members_stay_as_they_are(api, watcher, node, name):
    queue, classic = name("q"), name("q")
    api.put("/queues/%2F/" + queue, {"arguments": {"x-queue-type": "quorum"}})
    api.put("/queues/%2F/" + classic)
    add, delete = (f"/queues/quorum/%2F/{queue}/replicas/{what}" for what in ("add", "delete"))
    here, elsewhere = {"node": node}, {"node": "rabbit@elsewhere"}
    assert api("POST", add, here).status == 204
    assert refusal(api("POST", add, elsewhere)) == (503, "service_unavailable", "node_not_running: the cluster is one node")
    assert refusal(api("DELETE", delete, here)) == (503, "service_unavailable", "last_node: the queue has no other member")
    assert api("DELETE", delete, elsewhere).status == 202
    assert api("POST", add, {}).status == 400
    assert api("POST", add.replace(queue, classic), here).json["reason"] == "classic_queue_not_supported"
    assert api("POST", add.replace(queue, "none"), here).status == 404
    on = f"/queues/quorum/replicas/on/{node}"
    assert api("POST", on + "/grow", {"strategy": "all", "vhost_pattern": ".*", "queue_pattern": ".*"}).status == 204
    assert refusal(api("DELETE", on + "/shrink")) == (503, "service_unavailable", "last_node: the queues have no other member")
    assert api("POST", "/queues/quorum/replicas/on/rabbit@elsewhere/grow", {}).status == 404
    assert api("DELETE", "/queues/quorum/replicas/on/rabbit@elsewhere/shrink").status == 404
    for method, path in (("POST", add), ("DELETE", delete), ("POST", on + "/grow"), ("DELETE", on + "/shrink")):
        assert watcher(method, path, here).status == 401
    assert len(api.get(f"/queues/quorum/%2F/{queue}/status")) == 1
