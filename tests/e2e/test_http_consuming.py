"""Consuming by HTTP: long polls and Server-Sent Events, settled by tokens."""

import base64
import http.client
import json
import threading
import time
from urllib.parse import quote

import pika
import pytest

from harness.http import Api, segment
from harness.pika_tools import depth, get, publish, wait_for_depth, wait_until

pytestmark = pytest.mark.millrace_only("of Millrace's own API")
OPTIONS = ["--http", "127.0.0.1:0"]


def of(queue):
    return f"/queues/%2F/{segment(queue)}"


def receive(api, queue, query="", **headers):
    return api("GET", f"{of(queue)}/messages?{query}", headers=headers.items(), expect=200).json


def settle(api, queue, verb, *messages, **more):
    tokens = [message["token"] for message in messages]
    return api.post(f"{of(queue)}/messages/{verb}", {"tokens": tokens, **more}).json


class Stream:
    """A stream of events, read line by line."""

    def __init__(self, api, queue, query=""):
        self.connection = http.client.HTTPConnection(api.broker.host, api.broker.http_port, timeout=20)
        credentials = base64.b64encode(f"{api.user}:{api.password}".encode()).decode()
        self.connection.request(
            "GET", f"/api{of(queue)}/events?{query}", headers={"Authorization": f"Basic {credentials}"}
        )
        self.socket = self.connection.sock
        self.response = self.connection.getresponse()

    def event(self):
        fields = {}
        while True:
            line = self.response.readline().decode()
            assert line, "the stream ended"
            line = line.rstrip("\n")
            if not line and "data" in fields:
                return fields
            key, _, value = line.partition(":")
            if key:
                fields[key] = value.removeprefix(" ")

    def message(self):
        event = self.event()
        message = json.loads(event["data"])
        assert event["event"] == "message" and event["id"] == message["token"]
        return message

    def close(self):
        self.response.close()
        self.socket.close()
        self.connection.close()


@pytest.fixture
def stream(api):
    opened = []

    def make(queue, query="", to=None):
        opened.append(Stream(to or api, queue, query))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_messages_are_given_with_all_that_they_have_and_acknowledged(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"text", b"\0\xff", content_type="text/plain", headers={"n": 1}, message_id="m")
    first, second = receive(api, queue, "max=10&wait=5")
    assert (first["payload"], first["payload_encoding"], first["payload_bytes"]) == ("text", "string", 4)
    assert (second["payload"], second["payload_encoding"]) == ("AP8=", "base64")
    assert first["properties"] == {"content_type": "text/plain", "headers": {"n": 1}, "message_id": "m"}
    assert (first["exchange"], first["routing_key"], first["redelivered"]) == ("", queue, False)
    assert settle(api, queue, "ack", first, second) == {"settled": 2, "unknown": []}
    assert settle(api, queue, "ack", first) == {"settled": 0, "unknown": [first["token"]]}
    assert depth(channel, queue) == 0 and receive(api, queue) == []


def test_one_message_unless_more_are_asked_for_and_the_rest_stays(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"1", b"2", b"3")
    (one,) = receive(api, queue)
    assert one["payload"] == "1"
    wait_for_depth(channel, queue, 2)
    assert [message["payload"] for message in receive(api, queue, "max=1000")] == ["2", "3"]


def test_a_poll_waits_for_a_message(api, channel, declare_queue):
    queue = declare_queue()
    timer = threading.Timer(0.5, lambda: api("POST", of(queue) + "/messages", b"late"))
    timer.start()
    began = time.monotonic()
    (message,) = receive(api, queue, "wait=20s")
    assert message["payload"] == "late" and time.monotonic() - began < 10
    timer.join()
    began = time.monotonic()
    assert receive(api, queue, "wait=400ms") == []
    assert time.monotonic() - began >= 0.4


def test_what_is_not_acknowledged_goes_back_when_the_lease_ends(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"m")
    (message,) = receive(api, queue, "lease=1s")
    assert depth(channel, queue) == 0
    wait_for_depth(channel, queue, 1)
    assert settle(api, queue, "ack", message)["unknown"] == [message["token"]]
    assert get(channel, queue)[0].redelivered


def test_a_lease_can_be_extended(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"m")
    (message,) = receive(api, queue, "lease=1s")
    for _ in range(4):
        time.sleep(0.5)
        assert settle(api, queue, "extend", message) == {"extended": 1}
    assert settle(api, queue, "extend", message, lease="1m") == {"extended": 1}
    time.sleep(1.2)
    assert settle(api, queue, "ack", message)["settled"] == 1
    assert settle(api, queue, "extend", message) == {"extended": 0}


def test_what_failed_goes_back_or_to_the_dead_letters(api, channel, declare_queue):
    dead = declare_queue()
    queue = declare_queue(dead_letter_exchange="", dead_letter_routing_key=dead)
    publish(channel, queue, b"m")
    (message,) = receive(api, queue, "wait=5")
    assert settle(api, queue, "nack", message)["settled"] == 1
    (again,) = receive(api, queue, "wait=5")
    assert again["redelivered"] is True
    assert settle(api, queue, "nack", again, requeue=False)["settled"] == 1
    assert get(channel, dead)[2] == b"m"


def test_acknowledged_by_being_sent(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"1", b"2")
    assert len(receive(api, queue, "max=2&auto_ack=true&lease=1s&wait=5")) == 2
    time.sleep(1.5)
    assert depth(channel, queue) == 0


def test_a_raw_message_is_the_body_with_its_properties(api, channel, declare_queue):
    queue = declare_queue()
    body = bytes(range(256))
    publish(channel, queue, body, content_type="image/png", correlation_id="ä\r\nX: y", headers={"a": [1, "b"]})
    answer = api("GET", of(queue) + "/messages?wait=5", headers={"Accept": "application/octet-stream"}.items())
    assert answer.octets == body and answer.status == 200
    assert answer.headers["Content-Type"] == "image/png" and answer.headers["X"] is None
    assert answer.headers["Millrace-Correlation-Id"] == "%C3%A4%0D%0AX:%20y"
    assert answer.headers["Millrace-Header-a"] == "[1,%22b%22]"
    assert answer.headers["Millrace-Routing-Key"] == quote(queue)
    assert settle(api, queue, "ack", {"token": answer.headers["Millrace-Token"]})["settled"] == 1
    answer = api("GET", of(queue) + "/messages", headers={"Accept": "application/octet-stream"}.items())
    assert (answer.status, answer.octets) == (204, b"")


def test_a_poller_that_goes_away_takes_nothing_with_it(api, channel, declare_queue, broker):
    queue = declare_queue()
    connection = http.client.HTTPConnection(broker.host, broker.http_port, timeout=20)
    credentials = base64.b64encode(b"guest:guest").decode()
    connection.request("GET", f"/api{of(queue)}/messages?wait=60", headers={"Authorization": f"Basic {credentials}"})

    def consumers():
        return channel.queue_declare(queue, passive=True).method.consumer_count

    wait_until(lambda: consumers() == 1)
    connection.close()
    wait_until(lambda: consumers() == 0)
    publish(channel, queue, b"m")
    assert get(channel, queue)[2] == b"m"


def test_a_lasting_consumer_keeps_its_prefetch_from_poll_to_poll(api, channel, declare_queue):
    queue = declare_queue()
    made = api.post(of(queue) + "/consumers", {"prefetch": 3, "lease": "20s", "consumer_tag": "mine"}, expect=201).json
    assert made.keys() == {"consumer", "prefetch", "lease_ms"} and made["lease_ms"] == 20_000
    publish(channel, queue, *[str(i).encode() for i in range(6)])
    query = f"consumer={made['consumer']}&max=10&wait="
    first = receive(api, queue, query + "5s")
    wait_until(lambda: (first.extend(receive(api, queue, query + "1s")), len(first) == 3)[1])
    assert receive(api, queue, query + "300ms") == []

    def shown():
        return [one for one in api.get("/consumers/%2F") if one["queue"]["name"] == queue]

    wait_until(lambda: len(shown()) == 1)
    (consumer,) = shown()
    assert (consumer["consumer_tag"], consumer["prefetch_count"], consumer["ack_required"]) == ("mine", 3, True)
    assert consumer["channel_details"]["user"] == "guest"
    settle(api, queue, "ack", *first[:2])
    assert len(receive(api, queue, query + "5s")) >= 1
    api.delete(f"{of(queue)}/consumers/{made['consumer']}")
    assert api("GET", f"{of(queue)}/messages?{query}1s").status == 404
    assert api("DELETE", f"{of(queue)}/consumers/{made['consumer']}").status == 404
    wait_for_depth(channel, queue, 4)


def test_a_lasting_consumer_ends_with_its_lease(api, channel, declare_queue):
    queue = declare_queue()
    made = api.post(of(queue) + "/consumers", {"lease": "1s"}, expect=201).json
    publish(channel, queue, b"m")
    wait_for_depth(channel, queue, 0)
    wait_for_depth(channel, queue, 1)
    assert api("GET", f"{of(queue)}/messages?consumer={made['consumer']}").status == 404


def test_a_stream_gives_messages_as_they_come_and_no_more_than_its_prefetch(api, channel, declare_queue, stream):
    queue = declare_queue()
    events = stream(queue, "prefetch=2")
    assert events.response.headers["Content-Type"] == "text/event-stream"
    publish(channel, queue, b"1", b"2", b"3", b"line\nfeed")
    first, second = events.message(), events.message()
    assert [first["payload"], second["payload"]] == ["1", "2"]
    assert depth(channel, queue) == 2
    assert settle(api, queue, "ack", first)["settled"] == 1
    assert events.message()["payload"] == "3"
    settle(api, queue, "ack", second)
    assert events.message()["payload"] == "line\nfeed"


def test_a_stream_that_is_left_gives_back_what_it_had(api, channel, declare_queue, stream):
    queue = declare_queue()
    publish(channel, queue, b"m")
    events = stream(queue)
    message = events.message()
    events.close()
    wait_for_depth(channel, queue, 1)
    assert settle(api, queue, "ack", message)["settled"] == 0


def test_a_stream_ends_with_its_queue(api, channel, declare_queue, stream):
    queue = declare_queue()
    events = stream(queue)
    channel.queue_delete(queue)
    event = events.event()
    assert event["event"] == "end" and "reason" in json.loads(event["data"])
    assert events.response.readline() in (b"", b"\n") and events.response.readline() == b""


def test_a_stream_that_is_not_read_holds_little(api, channel, declare_queue, stream):
    queue = declare_queue()
    body = b"x" * (1 << 20)
    publish(channel, queue, body)
    events = stream(queue, "prefetch=1000")
    for _ in range(80):
        publish(channel, queue, body)
    time.sleep(1)
    # What was lent to it before the size of the messages was known, and what the sockets hold.
    assert depth(channel, queue) > 81 - 40
    for _ in range(81):
        settle(api, queue, "ack", events.message())
    assert depth(channel, queue) == 0


def test_a_stream_of_many_messages_is_whole_and_in_order(api, channel, declare_queue, stream):
    queue = declare_queue()
    count = 2000
    events = stream(queue, "prefetch=100&auto_ack=true")
    publish(channel, queue, *[str(i).encode() for i in range(count)])
    assert [int(events.message()["payload"]) for _ in range(count)] == list(range(count))
    wait_for_depth(channel, queue, 0)


@pytest.mark.parametrize(
    "path",
    [
        "/messages?max=0",
        "/messages?max=1001",
        "/messages?wait=forever",
        "/messages?wait=301s",
        "/messages?lease=1ms",
        "/messages?lease=9999999999999999999h",
        "/events?prefetch=x",
        "/events?format=xml",
    ],
)
def test_questions_that_make_no_sense_are_refused(api, declare_queue, path):
    assert api("GET", of(declare_queue()) + path).status == 400


def test_what_is_not_there_or_not_possible(api, declare_queue):
    queue = declare_queue()
    assert api("GET", of("no-such") + "/messages").status == 404
    assert api("GET", of("no-such") + "/events").status == 404
    assert api("POST", of("no-such") + "/consumers").status == 404
    assert api("HEAD", of(queue) + "/messages").status == 405
    assert api("GET", of(queue) + "/messages?consumer=nobody").status == 404
    assert api("GET", of(queue) + "/messages", headers={"Accept": "image/png"}.items()).status == 406
    for body in ({}, {"tokens": "x"}, {"tokens": [1]}):
        assert api("POST", of(queue) + "/messages/ack", body).status == 400
    assert api.post(of(queue) + "/messages/ack", {"tokens": ["x", "x.y", "a.1"]}).json["settled"] == 0


def test_two_requests_cannot_wait_for_one_consumer(api, declare_queue):
    queue = declare_queue()
    made = api.post(of(queue) + "/consumers", expect=201).json
    path = f"{of(queue)}/messages?consumer={made['consumer']}"
    waiting = threading.Thread(target=lambda: api("GET", path + "&wait=2s"))
    waiting.start()
    time.sleep(0.5)
    assert api("GET", path).status == 400
    waiting.join()


def test_an_exclusive_queue_of_another_and_missing_rights_refuse(api, channel, name, declare_queue):
    mine = name()
    channel.queue_declare(mine, exclusive=True)
    assert api("GET", of(mine) + "/messages?wait=1s").status == 400
    assert api("GET", of(mine) + "/events").status == 400
    queue = declare_queue()
    api.put("/users/writer", {"password": "writer", "tags": "management"})
    api.put("/permissions/%2F/writer", {"configure": "", "write": ".*", "read": ""})
    writer = Api(api.broker, "writer")
    assert writer("GET", of(queue) + "/messages?wait=1s").status == 401
    assert writer("GET", of(queue) + "/events").status == 401
    # A token is its user's.
    publish(channel, queue, b"m")
    (message,) = receive(api, queue, "wait=5")
    assert settle(writer, queue, "ack", message)["settled"] == 0
    assert settle(api, queue, "ack", message)["settled"] == 1
    api.delete("/users/writer")


def test_a_deleted_user_consumes_no_more(api, channel, declare_queue, stream):
    queue = declare_queue()
    api.put("/users/gone", {"password": "gone", "tags": "management"})
    api.put("/permissions/%2F/gone", {"configure": ".*", "write": ".*", "read": ".*"})
    events = stream(queue, to=Api(api.broker, "gone"))
    publish(channel, queue, b"m")
    events.message()
    api.delete("/users/gone")
    assert events.event()["event"] == "end"
    wait_for_depth(channel, queue, 1)


def test_the_limit_of_connections_counts_consumers(api, declare_queue, stream):
    queue = declare_queue()
    api.put("/users/few", {"password": "few", "tags": "management"})
    api.put("/permissions/%2F/few", {"configure": ".*", "write": ".*", "read": ".*"})
    api.put("/user-limits/few/max-connections", {"value": 1})
    few = Api(api.broker, "few")
    stream(queue, to=few)
    refused = few("GET", of(queue) + "/messages?wait=1s")
    assert refused.status == 401 and "limit" in refused.json["reason"]
    api.delete("/users/few")


def test_a_broker_stops_at_once_with_streams_open(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    api = Api(broker)
    api.put("/queues/%2F/q", {"durable": True})
    events = Stream(api, "q")
    outcomes = []

    def wait():
        try:
            outcomes.append(api("GET", of("q") + "/messages?wait=60").status)
        except (OSError, http.client.HTTPException):
            outcomes.append("closed")

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    began = time.monotonic()
    broker.stop()
    assert time.monotonic() - began < 4
    waiting.join()
    assert outcomes in (["closed"], [503])
    events.close()
