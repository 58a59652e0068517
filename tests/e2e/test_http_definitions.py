"""Definitions out of one broker and into another by the management HTTP API."""

import json

import pika
import pytest

from harness.http import Api, segment
from harness.pika_tools import parameters
from harness.rabbitmq import CTL, RabbitMq

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]


def canonical(definitions):
    """What a definitions file says, whatever the order in it."""
    lists = ("users", "vhosts", "permissions", "topic_permissions", "parameters", "policies", "queues", "exchanges")
    return {key: sorted(map(json.dumps, definitions[key])) for key in lists + ("bindings",)}


def declare_some_of_all(api):
    api.put("/vhosts/v1", {"description": "d", "tags": "t", "default_queue_type": "quorum"})
    api.put("/users/u", {"password": "pw", "tags": "management"})
    api.put("/permissions/v1/u", {"configure": "a", "write": "b", "read": "c"})
    api.put("/topic-permissions/v1/u", {"exchange": "amq.topic", "write": "w", "read": "r"})
    api.put("/user-limits/u/max-channels", {"value": 9})
    api.put("/vhost-limits/v1/max-connections", {"value": 8})
    api.put("/policies/v1/p", {"pattern": "^x", "definition": {"max-length": 7}, "priority": 2})
    api.put("/operator-policies/v1/o", {"pattern": "^y", "definition": {"message-ttl": 6}})
    api.put("/queues/v1/q", {"durable": True, "arguments": {"x-max-length": 5, "x-dead-letter-exchange": "x"}})
    api.put("/exchanges/v1/x", {"type": "headers", "arguments": {"alternate-exchange": "amq.fanout"}})
    api.post("/bindings/v1/e/x/q/q", {"routing_key": "k", "arguments": {"x-match": "any", "h": 1}}, expect=201)
    api.post("/bindings/v1/e/x/e/amq.direct", {}, expect=201)


def test_definitions_go_out_and_into_another_broker(own_broker):
    api = Api(own_broker(options=["--http", "127.0.0.1:0"]))
    declare_some_of_all(api)
    exported = api.get("/definitions")
    assert exported["rabbitmq_definition_format"] == "cluster" and exported["explanation"].endswith(" u")
    users = {u["name"]: u for u in exported["users"]}
    assert exported["users_without_password_hash"] == ["u"] and "password_hash" not in users["u"]
    assert len(users["guest"]["password_hash"]) == 48 and "millrace_users" not in exported
    assert [q["type"] for q in exported["queues"]] == ["quorum"]
    assert not [x for x in exported["exchanges"] if x["name"] == "" or x["name"].startswith("amq.")]

    other_broker = own_broker(options=["--http", "127.0.0.1:0"])
    other = Api(other_broker)
    other.post("/definitions", exported, expect=204)
    assert canonical(other.get("/definitions")) == canonical(exported)
    other.post("/definitions", exported, expect=204)
    assert canonical(other.get("/definitions")) == canonical(exported)
    assert Api(other_broker, "u", "pw").get("/whoami")["name"] == "u"
    assert other.get("/queues/v1/q")["operator_policy"] is None

    # RabbitMQ would lock out the only one who can let others in.
    Api(other_broker).put("/users/guest", {"password": "changed", "tags": "administrator"})
    other = Api(other_broker, "guest", "changed")
    changed = other.get("/definitions")
    assert changed["users_without_password_hash"] == ["guest", "u"]
    assert [u["name"] for u in changed["users"]] == ["u"]
    assert [u["name"] for u in changed["millrace_users"]] == ["guest"]
    third = own_broker(options=["--http", "127.0.0.1:0"])
    Api(third).post("/definitions", changed, expect=204)
    assert Api(third, "guest", "changed").get("/whoami")["name"] == "guest"

    one = api.get("/definitions/v1")
    assert one["rabbitmq_definition_format"] == "single_virtual_host" and "users" not in one
    assert "vhost" not in one["queues"][0]
    other.put("/vhosts/copy")
    other.post("/definitions/copy", one, expect=204)
    assert other.get("/queues/copy/q")["arguments"]["x-max-length"] == 5
    assert len(other.get("/bindings/copy/e/x/q/q")) == 1


def test_an_import_keeps_what_is_there_and_names_what_is_wrong(own_broker):
    api = Api(own_broker(options=["--http", "127.0.0.1:0"]))
    api.put("/queues/%2F/q", {"arguments": {"x-max-length": 5}})
    queue = {"name": "q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
    api.post("/definitions", {"queues": [queue, queue | {"name": "r"}]}, expect=204)
    assert api.get("/queues/%2F/q")["arguments"]["x-max-length"] == 5 and api.get("/queues/%2F/r")
    exchange = {"name": "hash", "vhost": "/", "type": "x-consistent-hash", "durable": True}
    binding = {"source": "amq.direct", "vhost": "/", "destination": "q", "destination_type": "queue"}
    binding |= {"routing_key": "k", "arguments": {}}
    for wrong, word in (
        ({"queues": [queue | {"durable": 5}]}, "queues[0]"),
        ({"queues": [queue | {"name": "s", "vhost": "none"}]}, "vhost 'none'"),
        ({"permissions": [{"user": "no", "vhost": "/", "configure": "", "write": "", "read": ""}]}, "user 'no'"),
        ({"users": [{"name": "x"}]}, "password"),
        ({"bindings": [binding | {"source": "none"}]}, "exchange 'none'"),
        ({"bindings": [binding | {"destination": "none"}]}, "queue 'none'"),
        ({"bindings": [binding | {"vhost": "none"}]}, "vhost 'none'"),
        ({"exchanges": [exchange], "bindings": [binding | {"source": "hash", "routing_key": "heavy"}]}, "heavy"),
        ([], "object"),
    ):
        refused = api("POST", "/definitions", wrong)
        assert refused.status == 400 and word in refused.json["reason"], refused


def test_exclusive_queues_are_shown_and_not_exported(api, channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert api.get("/queues/%2F/" + segment(queue))["exclusive"]
    assert queue not in [q["name"] for q in api.get("/definitions")["queues"]]
    assert api("POST", f"/bindings/%2F/e/amq.direct/q/{segment(queue)}", {}).status == 400


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory):
    if not CTL.exists():
        pytest.skip("rabbitmq-server is not installed")
    peer = RabbitMq(tmp_path_factory.mktemp("rabbitmq")).start()
    yield peer
    peer.stop()


def declare_there(rabbitmq):
    """Some of all, by RabbitMQ's own tools."""
    for words in (
        ["add_vhost", "v1", "--description", "d"],
        ["add_user", "ann", "secret"],
        ["set_user_tags", "ann", "management"],
        ["set_permissions", "-p", "v1", "ann", "a.*", ".*", ""],
        ["set_topic_permissions", "-p", "v1", "ann", "amq.topic", "^w", "^r"],
        ["set_policy", "-p", "v1", "p", "^jobs", '{"max-length":9}', "--apply-to", "queues", "--priority", "3"],
        ["set_operator_policy", "-p", "v1", "o", "^jobs", '{"message-ttl":60000}'],
        ["set_vhost_limits", "-p", "v1", '{"max-queues":5}'],
        ["set_user_limits", "ann", '{"max-channels":7}'],
        ["set_permissions", "-p", "v1", "guest", ".*", ".*", ".*"],
    ):
        ended = rabbitmq.ctl(*words)
        assert ended.status == 0, f"{words}: {ended}"
    with pika.BlockingConnection(parameters(rabbitmq, vhost="v1")) as connection:
        channel = connection.channel()
        channel.exchange_declare("x", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
        channel.queue_declare("jobs", durable=True, arguments={"x-max-priority": 3})
        channel.queue_declare("safe", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("jobs", "x", "a.#", {"k": "v"})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_rabbitmq_exports_is_taken_whole(rabbitmq, own_broker, tmp_path):
    declare_there(rabbitmq)
    file = tmp_path / "rabbitmq.json"
    assert rabbitmq.ctl("export_definitions", str(file)).status == 0
    broker = own_broker(options=["--http", "127.0.0.1:0", "--definitions", str(file)])
    api = Api(broker)
    assert Api(broker, "ann", "secret").get("/whoami") == {"name": "ann", "tags": ["management"]}
    assert Api(broker, "ann", "wrong")("GET", "/whoami").status == 401
    assert api.get("/permissions/v1/ann") == {"user": "ann", "vhost": "v1", "configure": "a.*", "write": ".*", "read": ""}
    assert [(t["write"], t["read"]) for t in api.get("/topic-permissions/v1/ann")] == [("^w", "^r")]
    assert api.get("/vhost-limits/v1") == [{"vhost": "v1", "value": {"max-queues": 5}}]
    assert api.get("/user-limits/ann") == [{"user": "ann", "value": {"max-channels": 7}}]
    jobs = api.get("/queues/v1/jobs")
    assert (jobs["policy"], jobs["operator_policy"], jobs["arguments"]["x-max-priority"]) == ("p", "o", 3)
    assert jobs["effective_policy_definition"] == {"max-length": 9, "message-ttl": 60000}
    assert api.get("/queues/v1/safe")["type"] == "quorum"
    assert api.get("/exchanges/v1/x")["arguments"] == {"alternate-exchange": "amq.fanout"}
    (binding,) = api.get("/bindings/v1/e/x/q/jobs")
    assert (binding["routing_key"], binding["arguments"]) == ("a.#", {"k": "v"})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_exported_rabbitmq_takes(rabbitmq, own_broker, tmp_path):
    api = Api(own_broker(options=["--http", "127.0.0.1:0"]))
    declare_some_of_all(api)
    hashed = api.get("/auth/hash_password/known")["ok"]
    api.put("/users/hashed", {"password_hash": hashed, "tags": "monitoring"})
    file = tmp_path / "millrace.json"
    file.write_text(json.dumps(api.get("/definitions")))
    ended = rabbitmq.ctl("import_definitions", str(file))
    assert ended.status == 0, ended

    def listed(*words):
        return json.loads(rabbitmq.ctl(*words, "--formatter", "json").out)

    assert rabbitmq.ctl("authenticate_user", "hashed", "known").status == 0
    assert rabbitmq.ctl("authenticate_user", "u", "pw").status != 0  # named in the file as without a hash
    assert {(u["user"], *u["tags"]) for u in listed("list_users")} >= {("u", "management"), ("hashed", "monitoring")}
    queues = {q["name"]: q for q in listed("list_queues", "-p", "v1", "name", "type", "arguments")}
    queue = queues["q"]
    assert queue["type"] == "quorum"
    assert ["x-max-length", "signedint", 5] in queue["arguments"] or ["x-max-length", "long", 5] in queue["arguments"]
    assert "x" in [x["name"] for x in listed("list_exchanges", "-p", "v1")]
    bindings = listed("list_bindings", "-p", "v1", "source_name", "destination_name", "routing_key")
    assert {"source_name": "x", "destination_name": "q", "routing_key": "k"} in bindings
    policies = {p["name"]: json.loads(p["definition"]) for p in listed("list_policies", "-p", "v1")}
    assert policies["p"] == {"max-length": 7}
