"""GET /api/users/:user/queues: the queues that a user declared."""

import pika
import pytest

from harness.http import Api, segment
from harness.pika_tools import parameters

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it, and has this since 4.3")
OPTIONS = ["--http", "127.0.0.1:0"]
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


def add_user(api, name, tags="management", vhosts=("/",)):
    api.put("/users/" + segment(name), {"password": "pw", "tags": tags})
    for vhost in vhosts:
        api.put(f"/permissions/{segment(vhost)}/{segment(name)}", EVERYTHING)
    return Api(api.broker, name, "pw")


def queues_of(api, user, query=""):
    return [(each["vhost"], each["name"]) for each in api.get(f"/users/{segment(user)}/queues{query}")]


@pytest.fixture
def fresh(own_broker):
    return own_broker(options=OPTIONS)


def test_a_queue_is_listed_under_whoever_declared_it_first(fresh):
    api = Api(fresh)
    ann, ben = add_user(api, "ann"), add_user(api, "ben")
    ann.put("/queues/%2F/http")
    with pika.BlockingConnection(parameters(fresh, "ann", "pw")) as connection:
        channel = connection.channel()
        channel.queue_declare("amqp")
        own = channel.queue_declare("", exclusive=True).method.queue
        ben.put("/queues/%2F/bens")
        ben.put("/queues/%2F/http")
        assert queues_of(api, "ann") == [("/", name) for name in sorted(["amqp", "http", own])]
        assert queues_of(api, "ben") == [("/", "bens")]
    assert queues_of(api, "ann") == [("/", "amqp"), ("/", "http")]
    api.delete("/queues/%2F/http")
    ben.put("/queues/%2F/http")
    assert queues_of(api, "ann") == [("/", "amqp")] and queues_of(api, "ben") == [("/", "bens"), ("/", "http")]
    # What a user made outlives it, and there is nothing of one that never was.
    api.delete("/users/ben")
    assert queues_of(api, "ben") == [("/", "bens"), ("/", "http")] and queues_of(api, "none") == queues_of(api, "guest") == []


def test_an_import_is_by_whoever_sends_it_and_that_of_a_start_by_nobody(own_broker):
    queue = {"vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
    broker = own_broker(options=OPTIONS, definitions={"queues": [queue | {"name": "first"}]})
    api = Api(broker)
    admin = add_user(api, "admin", "administrator")
    admin.post("/definitions", {"queues": [queue | {"name": name} for name in ("first", "second")]}, expect=204)
    assert queues_of(api, "admin") == [("/", "second")] and queues_of(api, "guest") == []
    assert api.get("/queues/%2F/first")["name"] == "first"
    keys = {key for each in api.get("/definitions")["queues"] for key in each}
    assert keys == {"name", "vhost", "durable", "auto_delete", "type", "arguments"}, "RabbitMQ 3.10 takes no others"


def test_each_sees_those_of_the_vhosts_it_may_see(fresh):
    api = Api(fresh)
    for vhost in ("a", "b"):
        api.put("/vhosts/" + vhost)
    maker = add_user(api, "maker", "", ("a", "b"))
    reader, watcher = add_user(api, "reader", vhosts=("b",)), add_user(api, "watcher", "monitoring", ())
    for vhost in ("a", "b"):
        with pika.BlockingConnection(parameters(fresh, "maker", "pw", vhost)) as connection:
            connection.channel().queue_declare("q", durable=True)
    assert queues_of(api, "maker") == queues_of(watcher, "maker") == [("a", "q"), ("b", "q")]
    assert queues_of(reader, "maker") == [("b", "q")]
    assert maker("GET", "/users/maker/queues").status == 401, "no tag"


def test_it_is_a_list_as_any_of_queues(fresh):
    api = Api(fresh)
    ann = add_user(api, "ann")
    for name in ("a1", "a2", "b1"):
        ann.put("/queues/%2F/" + name)
    api.put("/queues/%2F/a3")
    page = api.get("/users/ann/queues?page=2&page_size=1&name=a&columns=name,type")
    assert page["items"] == [{"name": "a2", "type": "classic"}]
    assert (page["filtered_count"], page["total_count"], page["page_count"]) == (2, 3, 2)
    assert [name for _, name in queues_of(api, "ann", "?sort=name&sort_reverse=true")] == ["b1", "a2", "a1"]
    (item,) = [each for each in api.get("/users/ann/queues") if each["name"] == "b1"]
    assert set(item) == set(api.get("/queues/%2F")[0])
    assert "message_stats" not in api.get("/users/ann/queues?disable_stats=true")[0]
    assert api("GET", "/users/ann/queues?page=4&page_size=1").status == 400
    assert api("POST", "/users/ann/queues", {}).status == 405


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "killed"])
def test_who_declared_a_queue_survives_a_restart(fresh, stopped):
    api = Api(fresh)
    ann = add_user(api, "ann")
    for name, body in (("kept", {}), ("quorum", {"arguments": {"x-queue-type": "quorum"}}), ("passing", {"durable": False})):
        ann.put("/queues/%2F/" + name, body)
    for _ in range(2):
        (fresh.stop if stopped else fresh.kill)()
        fresh.start()
        assert queues_of(api, "ann") == [("/", "kept"), ("/", "quorum")]
