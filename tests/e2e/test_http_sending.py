"""Publishing by HTTP for programs: the body is the message, and the answer its confirm."""

import json

import pika
import pytest

from harness.http import Api, segment
from harness.pika_tools import depth, drain, get, parameters, wait_until

pytestmark = pytest.mark.millrace_only("of Millrace's own API")
OPTIONS = ["--http", "127.0.0.1:0"]


def to_queue(queue):
    return f"/queues/%2F/{segment(queue)}/messages"


def test_a_body_is_published_as_it_is_and_confirmed(api, channel, declare_queue):
    queue = declare_queue()
    body = bytes(range(256)) * 3
    answer = api("POST", to_queue(queue), body, {"Content-Type": "application/octet-stream"}, expect=200)
    assert answer.json == {"outcome": "confirmed"}
    method, properties, got = get(channel, queue)
    assert got == body
    assert (properties.content_type, properties.delivery_mode) == ("application/octet-stream", 2)
    assert (method.exchange, method.routing_key) == ("", queue)


def test_an_empty_body_is_a_message(api, channel, declare_queue):
    queue = declare_queue()
    api("POST", to_queue(queue), b"", expect=200)
    assert get(channel, queue)[2] == b""


def test_properties_and_headers_come_by_http_headers(api, channel, declare_queue):
    queue = declare_queue()
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Encoding": "identity",
        "Millrace-Correlation-Id": "c%201%25",
        "Millrace-Reply-To": "answers",
        "Millrace-Expiration": "60000",
        "Millrace-Message-Id": "m-1",
        "millrace-type": "greeting",
        "Millrace-App-Id": "test",
        "Millrace-Priority": "3",
        "Millrace-Timestamp": "1700000000",
        "Millrace-Delivery-Mode": "1",
        "Millrace-Header-Colour": "gr%C3%BCn",
    }
    api("POST", to_queue(queue), b"x", headers, expect=200)
    _, properties, _ = get(channel, queue)
    assert properties.content_type == "text/plain; charset=utf-8" and properties.content_encoding == "identity"
    assert (properties.correlation_id, properties.reply_to, properties.expiration) == ("c 1%", "answers", "60000")
    assert (properties.message_id, properties.type, properties.app_id) == ("m-1", "greeting", "test")
    assert (properties.priority, properties.timestamp, properties.delivery_mode) == (3, 1700000000, 1)
    assert properties.headers == {"colour": "grün"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Millrace-Priority": "256"},
        {"Millrace-Timestamp": "now"},
        {"Millrace-Colour": "red"},
        {"Millrace-Type": "%G0"},
        {"Millrace-Expiration": "soon"},
        {"Millrace-User-Id": "somebody"},
        {"Millrace-Message-Id": "m" * 256},
    ],
)
def test_headers_that_make_no_sense_are_refused(api, channel, declare_queue, headers):
    queue = declare_queue()
    assert api("POST", to_queue(queue), b"x", headers).status == 400
    assert depth(channel, queue) == 0


def test_an_exchange_routes_by_the_key_of_the_query(api, channel, declare_queue):
    queue = declare_queue()
    channel.queue_bind(queue, "amq.topic", "orders.#")
    path = "/exchanges/%2F/amq.topic/messages"
    assert api("POST", path + "?routing_key=orders.new", b"1", expect=200).json == {"outcome": "confirmed"}
    refused = api("POST", path + "?routing_key=other", b"2")
    assert refused.status == 422 and refused.json["error"] == "unroutable"
    assert get(channel, queue)[2] == b"1"
    assert depth(channel, queue) == 0


def test_what_cannot_be_is_said(api, channel, declare_queue):
    assert api("POST", "/exchanges/%2F/no.such/messages", b"x").status == 404
    assert api("POST", "/exchanges/no-vhost/amq.topic/messages", b"x").status == 404
    assert api("POST", to_queue("no-such-queue"), b"x").status == 422
    full = declare_queue(max_length=1, overflow="reject-publish")
    api("POST", to_queue(full), b"x", expect=200)
    wait_until(lambda: api("POST", to_queue(full), b"y").status == 503)


def test_a_batch_has_an_outcome_for_each(api, channel, declare_queue):
    queue = declare_queue()
    full = declare_queue(max_length=1, overflow="reject-publish")
    channel.basic_publish("", full, b"there")
    wait_until(lambda: api("POST", to_queue(full), b"y").status == 503)
    batch = [
        {"routing_key": queue, "payload": "ä"},
        {"routing_key": queue, "payload": "AP8=", "payload_encoding": "base64", "properties": {"delivery_mode": 1}},
        {"routing_key": "nowhere", "payload": ""},
        {"routing_key": full, "payload": ""},
        {"routing_key": queue, "payload": "", "properties": {"user_id": "other"}},
    ]
    answer = api.post("/exchanges/%2F/amq.default/messages/batch", batch).json
    assert [one["outcome"] for one in answer["results"]] == [
        "confirmed",
        "confirmed",
        "returned",
        "refused",
        "refused",
    ]
    assert (answer["confirmed"], answer["returned"], answer["refused"]) == (2, 1, 2)
    assert "full" in answer["results"][3]["reason"] and "user_id" in answer["results"][4]["reason"]
    _, properties, body = get(channel, queue)
    assert (body, properties.delivery_mode) == ("ä".encode(), 2)
    _, properties, body = get(channel, queue)
    assert (body, properties.delivery_mode) == (b"\0\xff", 1)


def test_a_large_batch_keeps_its_order(api, channel, declare_queue):
    queue = declare_queue()
    lines = "\n".join(json.dumps({"payload": str(i)}) for i in range(3000))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = api("POST", to_queue(queue) + "/batch", lines.encode(), headers, expect=200).json
    assert answer["confirmed"] == 3000
    assert [int(body) for body in drain(channel, queue)] == list(range(3000))


@pytest.mark.parametrize(
    "batch",
    [{"payload": "x"}, [1], [{"payload": "x"}, {}], [{"payload": 1}], [{"payload": "x", "routing_key": "q"}]],
)
def test_a_batch_that_is_malformed_publishes_nothing(api, channel, declare_queue, batch):
    queue = declare_queue()
    assert api("POST", to_queue(queue) + "/batch", batch).status == 400
    assert depth(channel, queue) == 0


def test_a_batch_and_a_body_have_bounds(api, declare_queue):
    queue = declare_queue()
    too_many = ("{\"payload\":\"\"}\n" * 10_001).encode()
    answer = api("POST", to_queue(queue) + "/batch", too_many, {"Content-Type": "application/x-ndjson"})
    assert answer.status == 400 and "10000" in answer.json["reason"]
    too_long = b"x" * ((16 << 20) + 1)
    assert api("POST", to_queue(queue), too_long).status == 400
    assert api("POST", to_queue(queue), too_long[:-1]).status == 200


def test_messages_survive_a_kill_once_they_are_confirmed(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    api = Api(broker)
    api.put("/queues/%2F/jobs", {"durable": True})
    api("POST", to_queue("jobs"), b"one", expect=200)
    batch = [{"payload": str(i)} for i in range(500)]
    assert api.post(to_queue("jobs") + "/batch", batch).json["confirmed"] == 500
    broker.kill()
    broker.start()
    with pika.BlockingConnection(parameters(broker)) as connection:
        assert connection.channel().queue_declare("jobs", passive=True).method.message_count == 501


def test_rights_are_the_users(api, broker, declare_queue):
    queue = declare_queue()
    api.put("/users/reader", {"password": "reader", "tags": "management"})
    api.put("/permissions/%2F/reader", {"configure": "", "write": "", "read": ".*"})
    assert Api(broker, "reader")("POST", to_queue(queue), b"x").status == 401
    answer = Api(broker, "reader")("POST", to_queue(queue) + "/batch", [{"payload": "x"}], expect=200).json
    assert answer["refused"] == 1 and "refused" in answer["results"][0]["reason"]
    api.delete("/users/reader")
