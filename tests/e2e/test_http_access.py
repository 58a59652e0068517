"""Who may do what by the HTTP API: the tags of users, their vhosts, their permissions."""

import pika
import pytest

from harness.definitions import permission, policy, user
from harness.http import Api, segment
from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]

DEFINITIONS = {
    "users": [
        user("nobody"),
        user("manager", tags=["management"]),
        user("maker", tags=["policymaker"]),
        user("watcher", tags=["monitoring"]),
        user("reader", tags=["management"]),
        user("limited", tags=["management"]),
        user("admin", tags=["administrator"]),
        {"name": "modern", "password": "modern", "tags": ["administrator"]},
    ],
    "vhosts": [{"name": "own"}, {"name": "other"}],
    "permissions": [
        permission("manager", vhost="own"),
        permission("maker", vhost="own"),
        permission("reader", configure="^$", write="^$", read=".*", vhost="own"),
        permission("limited", configure="^mine\\.", write="^mine\\.|^amq\\.default$", read="^mine\\.", vhost="own"),
        permission("nobody", vhost="own"),
        permission("guest", vhost="own"),
        permission("guest", vhost="other"),
    ],
    "queues": [
        {"name": "q", "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}
        for vhost in ("own", "other")
    ],
    "policies": [policy("p", "^none$", {"max-length": 1}, vhost="other")],
}

MESSAGE = {"routing_key": "q", "payload": "m", "payload_encoding": "string", "properties": {}}
GET = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}

# What changes something, by the tag that may ask for it in the vhost "own".
ADMINISTRATORS = [
    ("PUT", "/vhosts/new", {}),
    ("DELETE", "/vhosts/own", None),
    ("GET", "/users", None),
    ("PUT", "/users/evil", {"password": "x", "tags": "administrator"}),
    ("PUT", "/users/manager", {"password": "x", "tags": "administrator"}),
    ("DELETE", "/users/guest", None),
    ("POST", "/users/bulk-delete", {"users": ["guest"]}),
    ("GET", "/permissions", None),
    ("PUT", "/permissions/other/manager", {"configure": ".*", "write": ".*", "read": ".*"}),
    ("DELETE", "/permissions/own/guest", None),
    ("GET", "/topic-permissions", None),
    ("PUT", "/topic-permissions/own/manager", {"exchange": "amq.topic", "write": ".*", "read": ".*"}),
    ("PUT", "/operator-policies/own/o", {"pattern": ".", "definition": {"max-length": 1}}),
    ("DELETE", "/operator-policies/own/o", None),
    ("PUT", "/vhost-limits/own/max-queues", {"value": 0}),
    ("DELETE", "/vhost-limits/own/max-queues", None),
    ("PUT", "/user-limits/guest/max-connections", {"value": 0}),
    ("GET", "/user-limits", None),
    ("PUT", "/cluster-name", {"name": "x"}),
    ("GET", "/auth/hash_password/x", None),
    ("GET", "/definitions", None),
    ("POST", "/definitions", {"users": []}),
    ("GET", "/definitions/own", None),
    ("POST", "/definitions/own", {}),
    ("DELETE", "/reset", None),
    ("POST", "/rebalance/queues", {}),
]
POLICYMAKERS = [
    ("PUT", "/policies/own/p", {"pattern": "^none$", "definition": {"max-length": 1}}),
    ("DELETE", "/policies/own/p", None),
    ("GET", "/parameters", None),
    ("GET", "/parameters/shovel/own/s", None),
    ("PUT", "/parameters/shovel/own/s", {"value": 1}),
    ("DELETE", "/parameters/shovel/own/s", None),
    ("GET", "/global-parameters", None),
    ("PUT", "/global-parameters/x", {"value": 1}),
    ("DELETE", "/global-parameters/x", None),
]
MONITORS = [
    ("GET", "/nodes", None),
    ("GET", "/auth/attempts/x", None),
]
WITHIN_A_VHOST = [
    ("PUT", "/queues/{}/new", {}),
    ("DELETE", "/queues/{}/q", None),
    ("DELETE", "/queues/{}/q/contents", None),
    ("POST", "/queues/{}/q/get", GET),
    ("POST", "/queues/{}/q/actions", {"action": "sync"}),
    ("PUT", "/exchanges/{}/new", {"type": "direct"}),
    ("DELETE", "/exchanges/{}/amq.direct", None),
    ("POST", "/exchanges/{}/amq.default/publish", MESSAGE),
    ("POST", "/bindings/{}/e/amq.direct/q/q", {"routing_key": "k"}),
    ("DELETE", "/bindings/{}/e/amq.direct/q/q/k", None),
    ("GET", "/aliveness-test/{}", None),
]
LOOKING_INTO_A_VHOST = [
    "/vhosts/{}",
    "/queues/{}",
    "/queues/{}/q",
    "/queues/{}/q/bindings",
    "/exchanges/{}",
    "/exchanges/{}/amq.direct",
    "/bindings/{}",
    "/bindings/{}/e/amq.direct/q/q",
    "/policies/{}",
    "/consumers/{}",
    "/vhosts/{}/connections",
    "/vhosts/{}/channels",
    "/vhost-limits/{}",
]


@pytest.fixture
def as_user(broker):
    return lambda name, password=None: Api(broker, name, password)


def refused(answer):
    assert answer.status == 401, answer
    assert answer.json["error"] == "not_authorized"


@pytest.mark.parametrize("user_name", ["manager", "maker", "watcher"])
@pytest.mark.parametrize("method, path, body", ADMINISTRATORS)
def test_what_is_for_administrators_is_refused_to_all_others(as_user, user_name, method, path, body):
    refused(as_user(user_name)(method, path, body))


@pytest.mark.parametrize("user_name", ["manager", "watcher"])
@pytest.mark.parametrize("method, path, body", POLICYMAKERS)
def test_what_is_for_policymakers_is_refused_to_others(as_user, user_name, method, path, body):
    refused(as_user(user_name)(method, path, body))


@pytest.mark.parametrize("user_name", ["manager", "maker"])
@pytest.mark.parametrize("method, path, body", MONITORS)
def test_what_is_for_monitors_is_refused_to_others(as_user, user_name, method, path, body):
    refused(as_user(user_name)(method, path, body))


@pytest.mark.parametrize("user_name", ["manager", "maker", "watcher", "admin"])
@pytest.mark.parametrize("method, path, body", WITHIN_A_VHOST)
def test_nobody_changes_anything_in_a_vhost_without_a_permission_there(as_user, user_name, method, path, body):
    refused(as_user(user_name)(method, path.format("other"), body))


@pytest.mark.parametrize("method, path, body", WITHIN_A_VHOST)
def test_a_monitor_changes_nothing_anywhere(as_user, method, path, body):
    refused(as_user("watcher")(method, path.format("own"), body))


@pytest.mark.parametrize("path", LOOKING_INTO_A_VHOST)
def test_a_vhost_is_seen_by_its_users_and_by_monitors(as_user, path):
    for user_name in ("manager", "maker", "watcher", "admin", "guest"):
        as_user(user_name).get(path.format("own"))
    for user_name in ("watcher", "admin", "guest"):
        as_user(user_name).get(path.format("other"))
    for user_name in ("manager", "maker"):
        refused(as_user(user_name)("GET", path.format("other")))


def test_lists_show_what_their_reader_may_see(as_user):
    for path, key in (("/vhosts", "name"), ("/queues", "vhost"), ("/exchanges", "vhost"), ("/bindings", "vhost")):
        assert {item[key] for item in as_user("manager").get(path)} == {"own"}, path
        assert {"own", "other"} <= {item[key] for item in as_user("watcher").get(path)}, path
    assert as_user("manager").get("/policies") == []
    assert as_user("manager").get("/overview")["object_totals"]["queues"] == len(as_user("manager").get("/queues"))


def test_a_policymaker_sets_policies_where_it_has_a_permission(as_user):
    maker = as_user("maker")
    body = {"pattern": "^none$", "definition": {"max-length": 1}}
    maker.put("/policies/own/made", body, expect=201)
    maker.delete("/policies/own/made")
    refused(maker("PUT", "/policies/other/made", body))


def test_permissions_on_objects_hold_as_for_any_client(as_user):
    reader, limited = as_user("reader"), as_user("limited")
    refused(reader("PUT", "/queues/own/reader.q", {}))
    refused(reader("POST", "/exchanges/own/amq.default/publish", MESSAGE))
    assert reader("POST", "/queues/own/q/get", GET).status == 200
    refused(limited("PUT", "/queues/own/other.q", {}))
    refused(limited("PUT", "/exchanges/own/other.x", {"type": "fanout"}))
    refused(limited("POST", "/queues/own/q/get", GET))
    refused(limited("DELETE", "/queues/own/q/contents"))
    refused(limited("DELETE", "/queues/own/q"))
    limited.put("/queues/own/mine.q", expect=201)
    refused(limited("POST", "/bindings/own/e/amq.direct/q/mine.q", {"routing_key": "k"}))
    answer = limited("POST", "/exchanges/own/amq.default/publish", MESSAGE | {"routing_key": "mine.q"})
    assert answer.json == {"routed": True}
    limited.delete("/queues/own/mine.q")


def test_connections_are_seen_and_closed_by_their_user_and_by_administrators(broker, as_user):
    connections = {
        "manager": pika.BlockingConnection(parameters(broker, "manager", "manager", "own")),
        "guest": pika.BlockingConnection(parameters(broker, vhost="own")),
    }

    def seen_by(name):
        return {c["user"]: c["name"] for c in as_user(name).get("/connections")}

    wait_until(lambda: set(seen_by("watcher")) == {"manager", "guest"})
    assert set(seen_by("manager")) == {"manager"} and seen_by("maker") == {}
    others = "/connections/" + segment(seen_by("watcher")["guest"])
    assert as_user("manager")("GET", others).status == 404
    assert as_user("manager")("DELETE", others).status == 404
    refused(as_user("watcher")("DELETE", others))
    refused(as_user("watcher")("DELETE", "/connections/username/guest"))
    refused(as_user("manager")("DELETE", "/connections/username/guest"))
    connections["guest"].process_data_events(0)
    as_user("manager").delete("/connections/" + segment(seen_by("manager")["manager"]))
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        connections["manager"].process_data_events(5)
    as_user("admin").delete("/connections/username/guest")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        connections["guest"].process_data_events(5)


def test_logins_that_fail_all_look_the_same(as_user):
    wrong = [
        as_user("guest", "wrong")("GET", "/overview"),
        as_user("unknown", "x")("GET", "/overview"),
        as_user("manager", "")("GET", "/overview"),
    ]
    for answer in wrong:
        assert answer.status == 401 and "Basic" in answer.headers["WWW-Authenticate"]
        assert answer.json == {"error": "not_authorized", "reason": "Login failed"}
    for header in ("", "Basic", "Basic !!!", "Basic Z3Vlc3Q=", "Bearer x", "Basic " + "A" * 4000):
        assert as_user("guest")("GET", "/overview", headers={"Authorization": header}).status == 401, header
    assert as_user("nobody")("GET", "/whoami").json["reason"] == "Not management user"
    assert "WWW-Authenticate" not in as_user("manager")("GET", "/users").headers


def test_a_right_that_is_taken_away_is_gone_at_once(as_user):
    admin = as_user("guest")
    admin.put("/users/shortlived", {"password": "shortlived", "tags": "monitoring"})
    shortlived = as_user("shortlived")
    shortlived.get("/nodes")
    admin.put("/users/shortlived", {"password": "shortlived", "tags": "management"})
    refused(shortlived("GET", "/nodes"))
    admin.put("/users/shortlived", {"password": "changed", "tags": "management"})
    refused(shortlived("GET", "/whoami"))
    admin.delete("/users/shortlived")
    refused(as_user("shortlived", "changed")("GET", "/whoami"))


def test_passwords_and_hashes_are_in_no_answer_but_an_export(as_user):
    admin = as_user("guest")
    admin.put("/users/canary", {"password": "c4n4ry-secret", "tags": ""})
    for path in ("/users", "/users/canary", "/overview", "/nodes", "/connections", "/whoami"):
        octets = admin("GET", path).octets
        assert b"c4n4ry" not in octets, path
        empty = b'"password_hash":"","hashing_algorithm":"rabbit_password_hashing_sha256"'  # tools want the fields
        assert b"password" not in octets.replace(empty, b""), path
    exported = admin.get("/definitions")
    (canary,) = [u for u in exported["users"] if u["name"] == "canary"]
    assert "c4n4ry" not in str(exported) and "password_hash" not in canary
    admin.delete("/users/canary")
    log = as_user("guest").broker.log_path.read_text()
    assert "c4n4ry" not in log


def test_requests_from_pages_of_other_origins_are_not_answered(as_user):
    admin = as_user("guest")
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{admin.broker.http_port + 1}"):
        assert admin("GET", "/overview", headers={"Origin": origin}).status == 403
    own = f"http://127.0.0.1:{admin.broker.http_port}"
    assert admin("GET", "/overview", headers={"Origin": own}).status == 200
