"""The management HTTP API: what an administrator makes: vhosts, users, permissions, policies, limits, parameters."""

import json

import pika
import pytest

from harness.http import Api, eventually, segment
from harness.pika_tools import depth, parameters, publish, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]


def test_vhosts_are_made_used_and_deleted(api, connect, name):
    vhost = name("v")
    path = "/vhosts/" + segment(vhost)
    api.put(path, {"description": "for tests", "tags": "a,b", "default_queue_type": "quorum"}, expect=201)
    api.put(path, expect=204)
    shown = api.get(path)
    assert (shown["description"], shown["tags"], shown["default_queue_type"]) == ("for tests", ["a", "b"], "quorum")
    assert shown["messages"] == 0 and vhost in [v["name"] for v in api.get("/vhosts")]
    assert [p["user"] for p in api.get(path + "/permissions")] == ["guest"]
    assert api.get(path + "/topic-permissions") == []
    connect(vhost=vhost).channel().queue_declare("q", durable=True)
    assert [q["type"] for q in api.get("/queues/" + segment(vhost))] == ["quorum"]
    api.delete(path)
    assert api("GET", path).status == 404
    assert api("GET", "/queues/" + segment(vhost)).status == 404


def test_users_and_their_permissions_are_made_used_and_deleted(api, broker, name):
    user = name("u")
    path = "/users/" + segment(user)
    api.put(path, {"password": "first", "tags": "monitoring,management"}, expect=201)
    shown = api.get(path)
    assert shown["tags"] == ["monitoring", "management"] and "first" not in json.dumps(api.get("/users"))
    assert user in [u["name"] for u in api.get("/users/without-permissions")]
    grant = f"/permissions/%2F/{segment(user)}"
    rights = {"configure": "^$", "write": ".*", "read": ".*"}
    api.put(grant, rights, expect=201)
    api.put(grant, rights, expect=204)
    assert api.get(grant) == rights | {"user": user, "vhost": "/"}
    assert api.get(path + "/permissions") == [api.get(grant)] and api.get(grant) in api.get("/permissions")
    topic = f"/topic-permissions/%2F/{segment(user)}"
    api.put(topic, {"exchange": "amq.topic", "write": "^a", "read": "^b"}, expect=201)
    assert api.get(topic)[0]["exchange"] == "amq.topic" and api.get(path + "/topic-permissions") == api.get(topic)
    credentials = pika.PlainCredentials(user, "first")
    pika.BlockingConnection(parameters(broker, credentials=credentials)).close()
    api.put(path, {"password": "second", "tags": ""}, expect=204)
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(parameters(broker, credentials=credentials))
    api.delete(topic + "/amq.topic")
    assert api("GET", topic).status == 404
    api.delete(grant)
    assert api("GET", grant).status == 404
    api.delete(path)
    assert api("PUT", grant, rights).status == 400
    other = [name("bulk"), name("bulk")]
    for one in other:
        api.put("/users/" + segment(one), {"password_hash": "", "tags": []})
    api.post("/users/bulk-delete", {"users": other}, expect=204)
    assert not set(other) & {u["name"] for u in api.get("/users")}
    for bad in ({}, {"tags": "", "password": ""}, {"tags": 5}, {"tags": "", "password_hash": "x"}):
        assert api("PUT", "/users/bad", bad).status in ((204, 201) if bad == {"tags": ""} else (400,)), bad


def test_a_user_has_all_that_tools_require_and_no_hash(api, broker, name):
    name = name("user")
    api.put(f"/users/{name}", {"password": "secret", "tags": "management"})
    for user in (api.get(f"/users/{name}"), next(one for one in api.get("/users") if one["name"] == name)):
        assert user == {
            **{"name": name, "tags": ["management"], "limits": {}},
            **{"password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256"},
        }
    assert Api(broker, name, "secret").get("/whoami") == {"name": name, "tags": ["management"]}
    api.put(f"/users/{name}", {"password_hash": "", "tags": "management"})
    assert Api(broker, name, "")("GET", "/whoami").status == Api(broker, name, "secret")("GET", "/whoami").status == 401


def test_policies_apply_and_are_shown_where_they_do(api, channel, name, declare_queue):
    queue = declare_queue()
    policy, strict = name("p"), name("o")
    path = "/policies/%2F/" + segment(policy)
    pattern = "^" + queue.replace(".", "\\.").replace("[", "\\[").replace("]", "\\]") + "$"
    body = {"pattern": pattern, "definition": {"max-length": 5}, "priority": 3, "apply-to": "queues"}
    api.put(path, body, expect=201)
    assert api.get(path) == body | {"name": policy, "vhost": "/"} and api.get(path) in api.get("/policies")
    operator = "/operator-policies/%2F/" + segment(strict)
    api.put(operator, body | {"definition": {"max-length": 2}}, expect=201)
    shown = api.get("/queues/%2F/" + segment(queue))
    assert (shown["policy"], shown["operator_policy"]) == (policy, strict)
    assert shown["effective_policy_definition"] == {"max-length": 2}
    publish(channel, queue, *[b"m"] * 9)
    wait_until(lambda: depth(channel, queue) == 2)
    api.delete(operator)
    api.delete(path)
    assert api.get("/queues/%2F/" + segment(queue))["policy"] is None
    for bad in ({"pattern": "("}, {"definition": {}}, {"definition": None}, {"apply-to": "moons"}, {"priority": "x"}):
        assert api("PUT", path, body | bad).status == 400, bad


def test_limits_are_set_hold_and_go(api, broker, connect, name):
    vhost = name("limited")
    api.put("/vhosts/" + segment(vhost))
    limits = "/vhost-limits/" + segment(vhost)
    assert api.get(limits) == []
    api.put(limits + "/max-queues", {"value": 1})
    assert api.get(limits) == [{"vhost": vhost, "value": {"max-queues": 1}}]
    assert api.get(limits)[0] in api.get("/vhost-limits")
    assert vhost in [p["vhost"] for p in api.get("/parameters/vhost-limits")]
    api.put(f"/queues/{segment(vhost)}/one")
    assert api("PUT", f"/queues/{segment(vhost)}/two", {}).status == 400
    api.delete(limits + "/max-queues")
    api.put(f"/queues/{segment(vhost)}/two")
    assert api("PUT", limits + "/max-moons", {"value": 1}).status == 400
    api.put("/user-limits/guest/max-channels", {"value": 500})
    assert api.get("/user-limits/guest") == [{"user": "guest", "value": {"max-channels": 500}}]
    api.delete("/user-limits/guest/max-channels")
    assert api.get("/user-limits") == []
    api.delete("/vhosts/" + segment(vhost))


def test_parameters_of_plugins_are_kept_as_they_came(api, name):
    name = name()
    path = "/parameters/shovel/%2F/" + segment(name)
    value = {"src-uri": "amqp://", "nested": [1, 2.5, None, {"a": True}], "n": -1}
    assert api("GET", path).status == 404
    assert api("PUT", path, {"value": value}).status == 201
    assert api("PUT", path, {"value": value | {"n": 2}}).status == 204
    item = {"vhost": "/", "component": "shovel", "name": name, "value": value | {"n": 2}}
    assert api.get(path) == item
    assert api.get("/parameters/shovel") == [item] == api.get("/parameters/shovel/%2F")
    assert item in api.get("/parameters") and api.get("/parameters/other") == []
    assert item in api.get("/definitions")["parameters"]
    api.delete(path)
    assert api("DELETE", path).status == 404
    for component in ("vhost-limits", "policy", "operator_policy"):
        assert api("PUT", f"/parameters/{component}/%2F/limits", {"value": {"max-queues": 0}}).status == 400
    assert api("PUT", path, {}).status == 400
    assert api("PUT", "/parameters/shovel/none/s", {"value": 1}).status == 404


def test_global_parameters_are_kept_and_name_the_cluster(api):
    before = api.get("/cluster-name")["name"]
    assert api("PUT", "/global-parameters/g", {"value": ["a"]}).status == 201
    assert api.get("/global-parameters/g") == {"name": "g", "value": ["a"]}
    assert {"name": "g", "value": ["a"]} in api.get("/definitions")["global_parameters"]
    assert "g" not in [p["name"] for p in api.get("/parameters")]
    api.delete("/global-parameters/g")
    assert api("GET", "/global-parameters/g").status == 404
    api.put("/cluster-name", {"name": "other \u00fc"})
    assert api.get("/cluster-name")["name"] == api.get("/overview")["cluster_name"] == "other \u00fc"
    api.delete("/global-parameters/cluster_name")
    assert api.get("/cluster-name")["name"] == before


def test_logins_are_counted(api):
    node = segment(api.get("/overview")["node"])

    def http():
        return [a for a in api.get(f"/auth/attempts/{node}") if a["protocol"] == "http"][0]

    before = http()
    assert Api(api.broker, "guest", "wrong")("GET", "/whoami").status == 401
    eventually(lambda: http()["auth_attempts_failed"] > before["auth_attempts_failed"], True)
    after = http()
    assert after["auth_attempts"] == after["auth_attempts_failed"] + after["auth_attempts_succeeded"]
    assert after["auth_attempts_succeeded"] > before["auth_attempts_succeeded"]
    assert api.get(f"/auth/attempts/{node}/source") == []


def test_a_hash_that_was_asked_for_lets_its_user_in(api, broker, name):
    name = name()
    hashed = api.get("/auth/hash_password/" + segment("pass/word"))["ok"]
    api.put("/users/" + segment(name), {"password_hash": hashed, "tags": "management"})
    assert Api(broker, name, "pass/word").get("/whoami")["name"] == name
    api.delete("/users/" + segment(name))
