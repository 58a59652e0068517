"""Spans of messages, sent to a collector by OTLP over HTTP."""

import subprocess
import time

import pika
import pytest

from harness.certificates import Authority
from harness.collector import Collector, attributes, milliseconds
from harness.http import Api
from harness.millrace import binary_path
from harness.pika_tools import Inbox, parameters, wait_until

pytestmark = pytest.mark.millrace_only("spans are Millrace's")

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def broker(own_broker, collector):
    return own_broker(options=["--http", "127.0.0.1:0", "--shards", "2", "--otlp-endpoint", collector.url + "/"])


@pytest.fixture
def channel(broker):
    with pika.BlockingConnection(parameters(broker)) as connection:
        yield connection.channel()


def wait_for(collector, *names):
    wait_until(lambda: {span["name"] for span in collector.spans} >= set(names), describe=lambda: collector.spans)


def figures(broker):
    lines = Api(broker).ask("GET", "/metrics").octets.decode().splitlines()
    return {what: int(next(line for line in lines if line.startswith(f"millrace_otlp_spans_{what}_total ")).split()[1]) for what in ("sent", "dropped")}


def test_a_traced_message_has_spans_of_its_way(broker, channel, collector):
    channel.queue_declare("work", durable=True)
    channel.queue_bind("work", "amq.topic", "orders.#")
    properties = pika.BasicProperties(headers=SAMPLED, delivery_mode=2, message_id="m1", correlation_id="c1")
    channel.basic_publish("amq.topic", "orders.eu", b"12345", properties)
    for headers in (UNSAMPLED, {"traceparent": "nonsense"}, None):
        channel.basic_publish("amq.topic", "orders.eu", b"x", pika.BasicProperties(headers=headers))
    time.sleep(0.2)  # the message waits
    inbox = Inbox(channel, "work", auto_ack=False)
    inbox.wait(4)
    time.sleep(0.1)  # and is worked on
    for method, _, _ in inbox.deliveries:
        channel.basic_ack(method.delivery_tag)
    wait_for(collector, "publish amq.topic", "deliver work", "process work")
    assert len(collector.spans) == 3  # of the one that is sampled
    for span in collector.spans:
        assert (span["traceId"], span["parentSpanId"], span["traceState"]) == (TRACE, PARENT, "a=b")
        told = attributes(span)
        assert told["messaging.system"] == "millrace" and told["messaging.message.id"] == "m1"
        assert told["messaging.message.conversation_id"] == "c1" and told["messaging.message.body.size"] == 5
        assert told["messaging.rabbitmq.destination.routing_key"] == "orders.eu" and told["user.name"] == "guest"
        assert told["network.peer.address"] == "127.0.0.1" and told["millrace.vhost"] == "/"
    assert len({span["spanId"] for span in collector.spans}) == 3
    (published,), (delivered,), (processed,) = (collector.named(name) for name in ("publish amq.topic", "deliver work", "process work"))
    assert attributes(published)["millrace.queues"] == ["work"]
    assert attributes(delivered)["messaging.destination.name"] == "work" and attributes(processed)["messaging.operation.name"] == "ack"
    assert 190 < milliseconds(delivered) < 5000 and 90 < milliseconds(processed) < 5000
    assert abs(int(published["startTimeUnixNano"]) / 1e9 - time.time()) < 60
    assert collector.requests[0] == ("/v1/traces", "application/json")
    assert collector.resources[0]["service.name"] == "millrace" and collector.resources[0]["service.instance.id"].startswith("millrace@")
    wait_until(lambda: figures(broker) == {"sent": 3, "dropped": 0}, describe=lambda: figures(broker))


def test_what_goes_wrong_is_in_the_spans(broker, channel, collector):
    channel.queue_declare("dead")
    channel.queue_declare("work", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    channel.basic_publish("", "work", b"x", pika.BasicProperties(headers=SAMPLED))
    channel.basic_reject(channel.basic_get("work")[0].delivery_tag, requeue=True)
    channel.basic_reject(channel.basic_get("work")[0].delivery_tag, requeue=False)
    channel.queue_declare("short", arguments={"x-message-ttl": 1})
    channel.basic_publish("", "short", b"x", pika.BasicProperties(headers=SAMPLED))
    wait_for(collector, "discard short", "process work")
    wait_until(lambda: len(collector.named("publish amq.default")) == 3)
    rejected = collector.named("process work")
    assert sorted(attributes(span)["messaging.operation.name"] for span in rejected) == ["reject", "requeue"]
    assert all(span["status"] == {"code": 2} for span in rejected)
    assert any(attributes(span).get("millrace.redelivered") for span in collector.named("deliver work"))
    dead = [attributes(span) for span in collector.named("publish amq.default") if "millrace.dead_letter.queue" in attributes(span)]
    assert [(one["millrace.dead_letter.queue"], one["millrace.queues"]) for one in dead] == [("work", ["dead"])]
    assert attributes(collector.named("discard short")[0])["messaging.operation.name"] == "expire"


def test_a_trace_goes_on_by_http(broker, channel, collector):
    channel.queue_declare("work")
    api = Api(broker)
    api("POST", "/queues/%2F/work/messages", b"x", SAMPLED, expect=200)
    assert channel.basic_get("work", auto_ack=True)[1].headers == SAMPLED
    wait_for(collector, "publish amq.default", "deliver work")


def test_a_collector_that_does_not_answer_holds_nobody_up(broker, channel, collector):
    collector.gate.clear()
    channel.queue_declare("work")
    channel.confirm_delivery()
    for _ in range(300):
        channel.basic_publish("", "work", b"x", pika.BasicProperties(headers=SAMPLED))
    assert channel.queue_declare("work", passive=True).method.message_count == 300
    collector.gate.set()
    wait_until(lambda: len(collector.spans) == 300, describe=lambda: len(collector.spans))


def test_spans_wait_for_a_collector_that_is_away_and_the_log_says_so_once(broker, channel, collector):
    collector.status = 503
    channel.queue_declare("work")
    channel.basic_publish("", "work", b"x", pika.BasicProperties(headers=SAMPLED))
    wait_until(lambda: len(collector.requests) >= 2, 15)
    collector.status = 200
    wait_for(collector, "publish amq.default")
    wait_until(lambda: "again" in broker.log_tail())
    assert broker.log_tail().count("spans cannot be sent to " + collector.url + "/v1/traces: it answers with status 503") == 1


def test_a_refused_batch_is_dropped_and_counted(broker, channel, collector):
    collector.status = 400
    channel.queue_declare("work")
    channel.basic_publish("", "work", b"x", pika.BasicProperties(headers=SAMPLED))
    wait_until(lambda: figures(broker) == {"sent": 0, "dropped": 1}, describe=lambda: figures(broker))


def test_over_tls_the_collector_must_be_vouched_for(own_broker, tmp_path):
    authority = Authority(tmp_path)
    collector = Collector(authority.vouch("localhost", "DNS:localhost"))
    try:
        for trust in (["--otlp-ca", str(authority.file)], []):
            broker = own_broker(options=["--http", "127.0.0.1:0", "--otlp-endpoint", collector.url, *trust])
            with pika.BlockingConnection(parameters(broker)) as connection:
                channel = connection.channel()
                channel.queue_declare("work")
                channel.basic_publish("", "work", b"x", pika.BasicProperties(headers=SAMPLED))
                if trust:
                    wait_for(collector, "publish amq.default")
                else:
                    wait_until(lambda: "spans cannot be sent" in broker.log_tail(), describe=broker.log_tail)
        assert len(collector.spans) == 1
    finally:
        collector.close()


@pytest.mark.parametrize("options", [["--otlp-endpoint", "collector:4318"], ["--otlp-endpoint", "http://x/?a"], ["--otlp-ca", "ca.pem"]])
def test_a_configuration_that_cannot_be_meant_is_refused(options):
    ended = subprocess.run([str(binary_path()), "serve", *options], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2 and "otlp" in ended.stderr


def test_a_broker_without_a_collector_makes_no_spans(own_broker, collector):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("work")
        channel.basic_publish("", "work", b"x", pika.BasicProperties(headers=SAMPLED))
        assert channel.basic_get("work", auto_ack=True)[2] == b"x"
    assert figures(broker) == {"sent": 0, "dropped": 0} and collector.requests == []
