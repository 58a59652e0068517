"""The dashboard for Grafana in packaging/: it must read nothing that is not there."""

import json
import re
from pathlib import Path

import pika
import pytest
from test_http_metrics import parse, scrape

from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("the dashboard is Millrace's")

DASHBOARD = Path(__file__).parents[2] / "packaging/grafana/millrace.json"
NAME = re.compile(r"\b(?:rabbitmq|millrace)_\w+")
LABELS_OF_PROMETHEUS = {"job", "instance", "le"}


def expressions():
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return found + [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]


def test_the_dashboard_reads_metrics_and_labels_that_are_there(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"])
    port = broker.ready_port("prometheus")
    with pika.BlockingConnection(parameters(broker)) as connection:
        channel = connection.channel()
        channel.queue_declare("q")
        channel.basic_publish("", "q", b"x")
        channel.basic_ack(channel.basic_get("q")[0].delivery_tag)
        wait_until(lambda: "millrace_queue_time_to_ack_seconds_bucket{vhost" in scrape(broker, port, "/metrics/per-object")[1], 8)
    node = parse(scrape(broker, port)[1])
    queues = parse(scrape(broker, port, "/metrics/per-object")[1])
    assert len(expressions()) > 30
    for expression in expressions():
        of_queues = bool({"queue", "vhost"} & set(re.findall(r"\b(\w+)(?:=~?|!=)", expression)))
        for name in NAME.findall(expression):
            assert name in (queues if of_queues else node), f"{name} in {expression}"
            labels = {label for labels, _ in (queues if of_queues else node)[name] for label in labels}
            selected = re.search(name + r"\{([^}]*)\}", expression)
            wanted = set(re.findall(r"(\w+)(?:=~?|!=)", selected[1])) if selected else set()
            assert wanted <= labels | LABELS_OF_PROMETHEUS, f"{wanted} of {name}"


def test_every_metric_of_our_own_is_on_the_dashboard(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"])
    text = scrape(broker, broker.ready_port("prometheus"), "/metrics/per-object")[1]
    ours = set(re.findall(r"^# TYPE (millrace_\w+)", text, re.MULTILINE))
    shown = " ".join(expressions())
    assert ours and [name for name in sorted(ours) if name not in shown] == []
