"""CloudEvents over HTTP: binary, structured and batched, in and out."""

import json

import pytest

from harness.http import Api, segment
from harness.pika_tools import depth, get, publish

pytestmark = pytest.mark.millrace_only("of Millrace's own API")
OPTIONS = ["--http", "127.0.0.1:0"]

EVENT = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/shop/1",
    "type": "org.example.order",
    "time": "2026-11-21T10:00:00Z",
    "subject": "order 7",
    "colour": "grün",
}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
ATTRIBUTES = {"cloudEvents:" + key: value for key, value in EVENT.items()}


def messages(queue):
    return f"/queues/%2F/{segment(queue)}/messages"


def receive(api, queue, accept, query="wait=5"):
    return api("GET", f"{messages(queue)}?{query}", headers={"Accept": accept}.items())


def test_binary_mode_becomes_a_message_of_the_binding_for_amqp(api, channel, declare_queue):
    queue = declare_queue()
    headers = {"ce-" + key: value for key, value in EVENT.items() if key not in ("subject", "colour")}
    headers |= {"CE-Subject": "order%207", "ce-colour": "gr%C3%BCn", "Content-Type": "application/json"}
    api("POST", messages(queue), b'{"n": 1.50}', headers, expect=200)
    _, properties, body = get(channel, queue)
    assert (body, properties.content_type, properties.headers) == (b'{"n": 1.50}', "application/json", ATTRIBUTES)


@pytest.mark.parametrize(
    "data, content_type, body",
    [
        ({"data": {"n": 1}}, "application/json", b'{"n":1}'),
        ({"data": {"n": 90.12345597897901}}, "application/json", b'{"n":9.012345597897901E1}'),
        ({"data": "text", "datacontenttype": "text/plain"}, "text/plain", b"text"),
        ({"data": "text", "datacontenttype": "application/json"}, "application/json", b'"text"'),
        ({"data_base64": "AP8=", "datacontenttype": "image/png"}, "image/png", b"\0\xff"),
        ({}, None, b""),
    ],
)
def test_structured_mode_likewise_and_back(api, channel, declare_queue, data, content_type, body):
    queue = declare_queue()
    for _ in range(2):
        api("POST", messages(queue), EVENT | data, STRUCTURED, expect=200)
    _, properties, got = get(channel, queue)
    assert (got, properties.content_type, properties.headers) == (body, content_type, ATTRIBUTES)
    answer = receive(api, queue, "application/cloudevents+json")
    assert answer.headers["Content-Type"] == "application/cloudevents+json"
    event = answer.json
    assert api.post(messages(queue) + "/ack", {"tokens": [event.pop("millracetoken")]}).json["settled"] == 1
    assert event == EVENT | ({"datacontenttype": content_type} if content_type else {}) | data


def test_a_batch_in_and_out(api, channel, declare_queue):
    queue = declare_queue()
    batch = [EVENT | {"id": str(i), "data": i} for i in range(10)]
    assert api("POST", messages(queue), batch, BATCH, expect=200).json["confirmed"] == 10
    answer = receive(api, queue, "application/cloudevents-batch+json", "max=10&wait=5")
    assert answer.headers["Content-Type"] == "application/cloudevents-batch+json"
    assert [(event["id"], event["data"]) for event in answer.json] == [(str(i), i) for i in range(10)]
    assert receive(api, queue, "application/cloudevents-batch+json", "").json == []
    assert receive(api, queue, "application/cloudevents+json", "").status == 204


def test_binary_mode_out(api, channel, declare_queue):
    queue = declare_queue()
    api("POST", messages(queue), EVENT | {"data": {"a": 1}}, STRUCTURED, expect=200)
    answer = receive(api, queue, "application/octet-stream")
    assert answer.octets == b'{"a":1}' and answer.headers["Content-Type"] == "application/json"
    assert (answer.headers["ce-id"], answer.headers["ce-subject"]) == ("A-1", "order%207")
    assert answer.headers["ce-colour"] == "gr%C3%BCn"


def test_any_message_can_be_seen_as_an_event(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"\0", message_id="m-1", type="greeting")
    event = receive(api, queue, "application/cloudevents+json").json
    assert {key: event[key] for key in ("specversion", "id", "type", "subject", "data_base64")} == {
        "specversion": "1.0",
        "id": "m-1",
        "type": "greeting",
        "subject": queue,
        "data_base64": "AA==",
    }
    assert event["source"].startswith("/vhosts/%2F/queues/") and event["time"]


def test_an_event_that_came_structured_by_another_protocol_is_itself(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, json.dumps(EVENT).encode(), content_type="application/cloudevents+json")
    event = receive(api, queue, "application/cloudevents+json").json
    event.pop("millracetoken")
    assert event == EVENT


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"source": ""},
        {"specversion": "0.3"},
        {"data": 1, "data_base64": "AA=="},
        {"data_base64": "?"},
        {"No": "x"},
        {"nested": {}},
    ],
)
def test_what_is_no_event_is_refused(api, channel, declare_queue, change):
    queue = declare_queue()
    assert api("POST", messages(queue), EVENT | change, STRUCTURED).status == 400
    assert api("POST", messages(queue), [EVENT, EVENT | change], BATCH).status == 400
    assert depth(channel, queue) == 0


def test_binary_mode_without_an_attribute_is_refused(api, declare_queue):
    queue = declare_queue()
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s"}
    assert api("POST", messages(queue), b"", headers).status == 400
    assert api("POST", messages(queue), b"", headers | {"ce-type": "t"}).status == 200
    assert api("POST", messages(queue), b"", headers | {"ce-type": "t", "ce-a_b": "t"}).status == 400
    assert api("POST", messages(queue), [], STRUCTURED).status == 400
    assert api("POST", messages(queue), EVENT, BATCH).status == 400
