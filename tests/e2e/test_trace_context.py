"""W3C Trace Context through the broker: by HTTP headers, by AMQP headers, by CloudEvents."""

import base64
import json
import urllib.request

import pika
import pytest

from harness.http import segment
from harness.pika_tools import get

pytestmark = pytest.mark.millrace_only("of Millrace's own API")
OPTIONS = ["--http", "127.0.0.1:0"]

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
TRACE = {"traceparent": PARENT, "tracestate": "congo=t61rcWkgMzE"}
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def messages(queue):
    return f"/queues/%2F/{segment(queue)}/messages"


def headers_of(channel, queue):
    return get(channel, queue)[1].headers


def test_a_publish_by_http_brings_its_trace_to_an_amqp_client(api, channel, declare_queue):
    queue = declare_queue()
    api("POST", messages(queue), b"x", TRACE, expect=200)
    assert headers_of(channel, queue) == TRACE
    api("POST", messages(queue) + "/batch", [{"payload": "1"}, {"payload": "2", "properties": {"headers": {"traceparent": OTHER}}}], TRACE, expect=200)
    assert headers_of(channel, queue) == TRACE
    assert headers_of(channel, queue) == {"traceparent": OTHER}  # a message's own stays
    api("POST", "/exchanges/%2F/amq.default/publish", {"routing_key": queue, "payload": "x", "payload_encoding": "string", "properties": {}}, TRACE, expect=200)
    assert headers_of(channel, queue) == TRACE


@pytest.mark.parametrize("malformed", ["", "00-0-0-01", PARENT.upper(), "00-" + "0" * 32 + "-b7ad6b7169203331-01", PARENT + "-x"])
def test_a_malformed_trace_is_none_and_the_message_is_published(api, channel, declare_queue, malformed):
    queue = declare_queue()
    api("POST", messages(queue), b"x", {"traceparent": malformed, "tracestate": "a=b"}, expect=200)
    assert not headers_of(channel, queue)


def test_a_consumer_by_http_is_given_what_an_amqp_client_said(api, channel, declare_queue):
    queue = declare_queue()
    for _ in range(3):
        channel.basic_publish("", queue, b"x", pika.BasicProperties(headers=dict(TRACE)))
    answer = api("GET", messages(queue) + "?wait=5&auto_ack=true", headers={"Accept": "application/octet-stream"}.items())
    assert (answer.headers["traceparent"], answer.headers["tracestate"]) == tuple(TRACE.values())
    item = api("GET", messages(queue) + "?wait=5&auto_ack=true").json[0]
    assert item["properties"]["headers"] == TRACE
    event = api("GET", messages(queue) + "?wait=5", headers={"Accept": "application/cloudevents+json"}.items()).json
    assert (event["traceparent"], event["tracestate"]) == tuple(TRACE.values())


def test_a_stream_of_events_brings_traces(broker, api, channel, declare_queue):
    queue = declare_queue()
    channel.basic_publish("", queue, b"x", pika.BasicProperties(headers=dict(TRACE)))
    credentials = base64.b64encode(b"guest:guest").decode()
    path = f"/api/queues/%2F/{segment(queue)}/events?format=cloudevents&auto_ack=true"
    request = urllib.request.Request(
        f"http://{broker.host}:{broker.http_port}{path}", headers={"Authorization": f"Basic {credentials}"}
    )
    with urllib.request.urlopen(request, timeout=10) as stream:
        line = next(line for line in stream if line.startswith(b"data:"))
    assert json.loads(line[5:])["traceparent"] == PARENT


def test_the_trace_that_an_event_began_with_is_its_messages_unless_the_request_has_one(api, channel, declare_queue):
    queue = declare_queue()
    structured = {"Content-Type": "application/cloudevents+json"}
    api("POST", messages(queue), EVENT | {"traceparent": OTHER}, structured, expect=200)
    headers = headers_of(channel, queue)
    assert headers["traceparent"] == headers["cloudEvents:traceparent"] == OTHER
    binary = {"ce-" + name: value for name, value in EVENT.items()} | {"ce-traceparent": OTHER}
    api("POST", messages(queue), b"x", binary | TRACE, expect=200)
    headers = headers_of(channel, queue)
    assert (headers["traceparent"], headers["cloudEvents:traceparent"]) == (PARENT, OTHER)
    api("POST", messages(queue), EVENT | {"traceparent": OTHER}, structured | TRACE, expect=200)
    event = api("GET", messages(queue) + "?wait=5", headers={"Accept": "application/cloudevents+json"}.items()).json
    assert event["traceparent"] == OTHER  # where it began, not by which request it came


def test_by_amqp_nothing_is_changed(channel, declare_queue):
    queue = declare_queue()
    for headers in (dict(TRACE), {"traceparent": "nonsense", "tracestate": 7}):
        channel.basic_publish("", queue, b"x", pika.BasicProperties(headers=headers))
        assert headers_of(channel, queue) == headers
