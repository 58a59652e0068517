"""What the figures say: at once where it is asked for, since the last reset, and in bytes."""

import json
import pathlib
import time

import pytest

from harness.http import Api, segment
from harness.pika_tools import Inbox, get, publish, wait_for_depth, wait_until

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]


def of(queue):
    return f"/queues/%2F/{segment(queue)}"


def test_fresh_figures_have_what_was_published_before(api, channel, declare_queue):
    queue = declare_queue()
    channel.confirm_delivery()
    api.get(of(queue))
    for count in range(1, 20):
        publish(channel, queue, b"m")
        assert api.get(of(queue) + "?fresh=true")["messages"] == count
        listed = {item["name"]: item["messages"] for item in api.get("/queues?fresh=true")}
        assert listed[queue] == count


def test_a_queue_that_nobody_counted_is_counted_when_it_is_shown(api, channel, declare_queue):
    channel.confirm_delivery()
    for _ in range(5):
        api.get("/queues")
        queue = declare_queue()
        publish(channel, queue, b"m")
        assert api.get(of(queue))["messages"] == 1
        queue = declare_queue()
        publish(channel, queue, b"m")
        assert {item["name"]: item["messages"] for item in api.get("/queues")}[queue] == 1


def test_bytes_of_unacknowledged_messages_are_known(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"x" * 1000, b"x" * 200)
    method, _, _ = get(channel, queue, auto_ack=False)
    item = api.get(of(queue) + "?fresh=true")
    assert (item["message_bytes"], item["message_bytes_ready"], item["message_bytes_unacknowledged"]) == (1200, 200, 1000)
    assert item["message_bytes_ram"] + item["message_bytes_paged_out"] == 1200
    channel.basic_nack(method.delivery_tag)
    wait_for_depth(channel, queue, 2)
    item = api.get(of(queue) + "?fresh=true")
    assert (item["message_bytes_ready"], item["message_bytes_unacknowledged"]) == (1200, 0)
    get(channel, queue)
    get(channel, queue)
    assert api.get(of(queue) + "?fresh=true")["message_bytes"] == 0


def test_utilisation_falls_while_consumers_are_at_their_prefetch(api, channel, connect, declare_queue):
    queue = declare_queue()
    assert api.get(of(queue) + "?fresh=true")["consumer_utilisation"] == 0
    channel.basic_qos(prefetch_count=1)
    inbox = Inbox(channel, queue, auto_ack=False)
    time.sleep(1.2)
    api.get(of(queue) + "?fresh=true")
    time.sleep(1.2)
    assert api.get(of(queue) + "?fresh=true")["consumer_utilisation"] == 1
    publish(channel, queue, b"1", b"2")
    inbox.wait(1)

    def utilisation():
        return api.get(of(queue) + "?fresh=true")["consumer_utilisation"]

    wait_until(lambda: utilisation() < 0.1, 10)
    channel.basic_ack(inbox.deliveries[0][0].delivery_tag)
    inbox.wait(2)
    channel.basic_ack(inbox.deliveries[1][0].delivery_tag)
    wait_until(lambda: utilisation() == 1, 10)


def metric(api, name):
    for line in api.ask("GET", "/metrics").octets.decode().splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.rpartition(" ")[2])
    raise AssertionError(name)


def test_a_reset_begins_counting_anew(api, channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"1", b"2", b"3")
    wait_for_depth(channel, queue, 3)
    before = api.get(of(queue) + "?fresh=true")
    assert before["message_stats"]["publish"] == 3
    published = metric(api, "rabbitmq_global_messages_received_total")
    api.delete("/reset")
    item = api.get(of(queue) + "?fresh=true")
    assert (item["message_stats"]["publish"], item["messages"]) == (0, 3)
    assert api.get("/overview?fresh=true")["message_stats"]["publish"] == 0
    assert all(one["message_stats"]["publish"] == 0 for one in api.get("/channels?fresh=true"))
    publish(channel, queue, b"4")
    wait_for_depth(channel, queue, 4)
    assert api.get(of(queue) + "?fresh=true")["message_stats"]["publish"] == 1
    assert metric(api, "rabbitmq_global_messages_received_total") >= published
    node = api.get("/overview")["node"]
    api.delete("/reset/" + segment(node))
    assert api("DELETE", "/reset/other@host").status == 404
    api.put("/users/nobody", {"password": "nobody", "tags": "monitoring"})
    assert Api(api.broker, "nobody")("DELETE", "/reset").status == 401


def test_the_overview_says_what_it_is(api):
    overview = api.get("/overview")
    assert overview["status"] == f"{overview['product_name']} {overview['product_version']}"


def test_definitions_come_as_a_form_too(api, name):
    queue = name()
    definitions = json.dumps({"queues": [{"vhost": "/", "name": queue, "durable": True, "auto_delete": False, "arguments": {}}]})
    form = (
        '--b\r\nContent-Disposition: form-data; name="file"; filename="d.json"\r\n'
        f"Content-Type: application/json\r\n\r\n{definitions}\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for path in ("/definitions", "/definitions/%2F"):
        api("POST", path, form.encode(), headers, expect=204)
        assert api.get(of(queue))["durable"] is True
        api.delete(of(queue))
    assert api("POST", "/definitions", form.replace('"file"', '"other"').encode(), headers).status == 400


def test_looking_on_gives_way_to_shards(broker):
    """Where threads outnumber processors, making a page must not keep a shard from its work."""
    niceness = {}
    for thread in pathlib.Path(f"/proc/{broker.pid}/task").iterdir():
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
        niceness[(thread / "comm").read_text().strip()] = int(fields[16])
    assert niceness["http"] >= niceness["shard-0"] + 10 or niceness["http"] == 19
