"""Definitions out of one broker and into another by the management HTTP API."""

import json

import pytest

from harness.http import Api, segment

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
