"""The requests of tools that people have, in the order and the words in which the tools send them, and what they read of
the answers. rabbitmqadmin itself is in test_http_rabbitmqadmin.py.
"""

from urllib.parse import unquote

import pika
import pytest

from harness.http import Api
from harness.pika_tools import parameters, publish, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]


# -- Terraform's provider, by way of rabbit-hole: each object is made, read back, changed, read back, deleted and gone ------


def applied(api, path, body, again=None):
    """Makes the object, changes it where it can be, and gives what is read back."""
    assert api("PUT", path, body).status == 201, path
    assert api("PUT", path, again or body).status == 204, path
    return api.get(path)


def destroyed(api, path):
    assert api("DELETE", path).status == 204, path
    assert api("GET", path).status == 404, path


def test_terraform_makes_a_vhost_with_limits(api):
    vhost = applied(api, "/vhosts/terraform", {"description": "", "tags": [], "default_queue_type": "", "tracing": False})
    assert vhost["name"] == "terraform" and vhost["tracing"] is False
    for limit in ("max-connections", "max-queues"):
        assert api("PUT", f"/vhost-limits/terraform/{limit}", {"value": 9}).status == 204
    assert api.get("/vhost-limits/terraform") == [{"vhost": "terraform", "value": {"max-connections": 9, "max-queues": 9}}]
    assert api("DELETE", "/vhost-limits/terraform/max-queues").status == 204
    assert api.get("/vhost-limits/terraform") == [{"vhost": "terraform", "value": {"max-connections": 9}}]
    destroyed(api, "/vhosts/terraform")


def test_terraform_makes_a_user_and_lets_it_in(api):
    body = {"name": "mirko", "password": "secret", "tags": "administrator,management"}
    user = applied(api, "/users/mirko", body, body | {"tags": "policymaker"})
    assert user["name"] == "mirko" and user["tags"] == ["policymaker"]
    assert isinstance(user["password_hash"], str) and isinstance(user["hashing_algorithm"], str)
    rights = {"configure": ".*", "write": "^a", "read": ""}
    found = applied(api, "/permissions/%2F/mirko", rights)
    assert found == {"user": "mirko", "vhost": "/"} | rights
    path = "/topic-permissions/%2F/mirko"
    assert api("PUT", path, {"exchange": "amq.topic", "write": ".*", "read": "x"}).status == 201
    assert api.get(path) == [{"user": "mirko", "vhost": "/", "exchange": "amq.topic", "write": ".*", "read": "x"}]
    assert api("DELETE", path + "/amq.topic").status == 204
    destroyed(api, "/permissions/%2F/mirko")
    destroyed(api, "/users/mirko")


def test_terraform_makes_exchanges_queues_and_bindings(api):
    exchange = applied(api, "/exchanges/%2F/tf-x", {"type": "fanout", "durable": True, "auto_delete": False, "arguments": {}})
    assert (exchange["type"], exchange["durable"], exchange["auto_delete"], exchange["arguments"]) == ("fanout", True, False, {})
    arguments = {"x-message-ttl": 5000, "x-queue-type": "quorum", "x-dead-letter-exchange": "tf-x"}
    queue = applied(api, "/queues/%2F/tf-q", {"durable": True, "auto_delete": False, "arguments": arguments})
    assert (queue["arguments"], queue["durable"], queue["auto_delete"], queue["vhost"]) == (arguments, True, False, "/")
    made = api("POST", "/bindings/%2F/e/tf-x/q/tf-q", {"routing_key": "a.#", "arguments": {"k": "v"}})
    assert made.status == 201
    key = made.headers["Location"].rsplit("/", 1)[1]
    (binding,) = [one for one in api.get("/bindings/%2F/e/tf-x/q/tf-q") if one["properties_key"] == unquote(key)]
    assert binding["routing_key"] == "a.#" and binding["arguments"] == {"k": "v"} and binding["destination_type"] == "queue"
    assert binding in api.get("/bindings/%2F")
    assert api("DELETE", f"/bindings/%2F/e/tf-x/q/tf-q/{key}").status == 204
    assert api.get("/bindings/%2F/e/tf-x/q/tf-q") == []
    destroyed(api, "/queues/%2F/tf-q")
    destroyed(api, "/exchanges/%2F/tf-x")


@pytest.mark.parametrize("kind", ["policies", "operator-policies"])
def test_terraform_makes_policies(api, kind):
    body = {"vhost": "/", "name": "tf-p", "pattern": "^tf", "priority": 1, "apply-to": "queues"}
    found = applied(api, f"/{kind}/%2F/tf-p", body | {"definition": {"max-length": 5}}, body | {"definition": {"max-length": 6}})
    assert found == body | {"definition": {"max-length": 6}}
    destroyed(api, f"/{kind}/%2F/tf-p")


@pytest.mark.parametrize("component", ["shovel", "federation-upstream"])
def test_terraform_keeps_parameters_of_plugins(api, component):
    path = f"/parameters/{component}/%2F/tf-s"
    value = {"src-uri": ["amqp:///a"], "dest-uri": "amqp:///b", "prefetch-count": 10}
    found = applied(api, path, {"component": component, "vhost": "/", "name": "tf-s", "value": value})
    assert found == {"component": component, "vhost": "/", "name": "tf-s", "value": value}
    destroyed(api, path)


# -- Those who read -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(broker):
    """A queue that was published to and is consumed from, and the connection that does so."""
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("busy")
        publish(channel, "busy", b"1", b"2", b"3")
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("busy", lambda *_: None)
        connection.process_data_events(0.2)
        api = Api(broker)
        wait_until(lambda: api.get("/queues/%2F/busy?fresh=true")["messages_unacknowledged"] == 1)
        yield channel
        channel.queue_delete("busy")


def test_keda_reads_lengths_and_rates_by_name_and_by_pattern(api, busy):
    pattern = "page=1&use_regex=true&pagination=false&name=%5Ebu&page_size=100"
    for queue in (api.get("/queues/%2F/busy"), *api.get(f"/queues/%2F?{pattern}")["items"], *api.get(f"/queues?{pattern}")["items"]):
        assert (queue["name"], queue["messages"], queue["messages_ready"], queue["messages_unacknowledged"]) == ("busy", 3, 2, 1)
        for rate in ("publish_details", "deliver_get_details"):
            assert isinstance(queue["message_stats"][rate]["rate"], (int, float))


def test_spring_finds_the_node_of_a_queue_and_that_the_broker_lives(api, busy):
    assert api.get("/queues/%2F/busy")["node"] == api.get("/overview")["node"]
    assert api.get("/aliveness-test/%2F") == {"status": "ok"}


def test_rabbitmqadmin_2_reads_objects_that_are_in_use(api, busy):
    """It refuses an object that lacks one of these, whatever was asked for."""
    (consumer,) = [one for one in api.get("/consumers?fresh=true") if one["queue"]["name"] == "busy"]
    for key, kind in (
        *(("consumer_tag", str), ("active", bool), ("ack_required", bool), ("prefetch_count", int), ("exclusive", bool)),
        *(("arguments", dict), ("consumer_timeout", int)),
    ):
        assert isinstance(consumer[key], kind), key
    details = consumer["channel_details"]
    for key, kind in (
        *(("number", int), ("name", str), ("connection_name", str), ("node", str), ("peer_host", str)),
        *(("peer_port", int), ("user", str)),
    ):
        assert isinstance(details[key], kind), key
    channel = api.get(f"/channels/{details['name'].replace(' ', '%20').replace('>', '%3E')}")
    for key, kind in (
        *(("number", int), ("vhost", str), ("state", str), ("consumer_count", int), ("confirm", bool)),
        *(("prefetch_count", int), ("messages_unacknowledged", int), ("messages_unconfirmed", int)),
    ):
        assert isinstance(channel[key], kind), key
    assert {"name", "peer_host", "peer_port"} <= set(channel["connection_details"])
    (connection,) = [one for one in api.get("/connections") if one["name"] == details["connection_name"]]
    for key, kind in (
        *(("node", str), ("state", str), ("protocol", str), ("user", str), ("connected_at", int), ("host", str)),
        *(("port", int), ("peer_host", str), ("peer_port", int), ("channel_max", int), ("channels", int)),
        *(("client_properties", dict),),
    ):
        assert isinstance(connection[key], kind), key
