"""The program under the name rabbitmqctl: output and exit statuses as RabbitMQ's own, held against it where it is installed."""

import json
import subprocess

import pika
import pytest

from harness.cli import Ended, Rabbitmqctl
from harness.pika_tools import parameters, publish, wait_until
from harness.rabbitmq import SERVER, RabbitMq

pytestmark = pytest.mark.millrace_only("it is Millrace's command line")

PEER_TOOL = SERVER.with_name("rabbitmqctl")


class PeerTool:
    def __init__(self, broker):
        self.broker = broker

    def __call__(self, *words, stdin=b""):
        environment = self.broker._environment()
        return Ended(
            subprocess.run(
                [str(PEER_TOOL), *words], input=stdin, capture_output=True, timeout=120, check=False, env=environment
            )
        )


def prepare(broker):
    """What both brokers have when the commands begin."""
    connection = pika.BlockingConnection(parameters(broker))
    channel = connection.channel()
    channel.queue_declare("jobs", durable=True, arguments={"x-queue-type": "classic", "x-max-length": 10})
    channel.queue_bind("jobs", "amq.topic", "a.#", {"k": "v"})
    publish(channel, "jobs", b"1", b"2")
    channel.queue_declare("jobs", passive=True)
    connection.close()


@pytest.fixture
def ctl(own_broker, tmp_path):
    broker = own_broker(options=["--http", "127.0.0.1:0"])
    prepare(broker)
    return Rabbitmqctl(broker, tmp_path)


# In this order: each finds what those before left.
SAME = [
    ["add_user", "alice", "pw"],
    ["add_user", "alice", "pw"],
    ["set_user_tags", "alice", "monitoring", "management"],
    ["set_user_tags", "nobody", "x"],
    ["list_users"],
    ["list_users", "-q"],
    ["list_users", "-s"],
    ["list_users", "--formatter", "json"],
    ["list_users", "--formatter", "csv"],
    ["change_password", "alice", "new"],
    ["change_password", "nobody", "new"],
    ["authenticate_user", "alice", "new"],
    ["add_vhost", "v1"],
    ["add_vhost", "v1"],
    ["list_vhosts"],
    ["list_vhosts", "-q", "--formatter", "json"],
    ["set_permissions", "-p", "v1", "alice", "", ".*", "^x"],
    ["set_permissions", "-p", "nov", "alice", ".*", ".*", ".*"],
    ["list_permissions"],
    ["list_user_permissions", "alice"],
    ["set_topic_permissions", "-p", "v1", "alice", "amq.topic", "^a", "^b"],
    ["list_topic_permissions", "-p", "v1"],
    ["clear_topic_permissions", "-p", "v1", "alice"],
    ["clear_permissions", "-p", "v1", "alice"],
    ["set_policy", "p1", "^jobs", '{"max-length":5}', "--apply-to", "queues", "--priority", "3"],
    ["set_policy", "p1", "^jobs", "notjson"],
    ["list_policies"],
    ["list_policies", "--formatter", "json"],
    ["list_queues"],
    ["list_queues", "name", "messages", "consumers", "durable", "policy", "state"],
    ["list_queues", "-q", "name", "messages"],
    ["list_queues", "-s", "name", "messages"],
    ["list_queues", "--no-table-headers", "name"],
    ["list_queues", "--formatter", "csv", "name", "messages"],
    ["list_queues", "-p", "nov"],
    ["list_bindings"],
    ["clear_policy", "p1"],
    ["clear_policy", "nope"],
    ["list_connections"],
    ["list_channels"],
    ["list_consumers"],
    ["purge_queue", "jobs"],
    ["purge_queue", "nope"],
    ["delete_queue", "jobs"],
    ["delete_queue", "nope"],
    ["delete_vhost", "v1"],
    ["delete_vhost", "v1"],
    ["delete_user", "alice"],
    ["delete_user", "alice"],
    ["set_vhost_limits", '{"max-connections":5}'],
    ["list_vhost_limits"],
    ["clear_vhost_limits"],
    ["await_startup"],
    ["list_exchanges"],
    ["trace_on"],
    ["trace_on", "-p", "/"],
    ["trace_off"],
    ["set_log_level", "debug"],
    ["set_log_level", "info"],
]


def comparable(ended):
    # RabbitMQ lists in no order; the first lines are headings. The exchange for events comes with a plug-in there.
    lines = [line for line in ended.out.splitlines() if "amq.rabbitmq.event" not in line]
    return ended.status, sorted(lines), ended.err.strip()


@pytest.mark.skipif(not PEER_TOOL.exists(), reason="rabbitmq-server is not installed")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_commands_answer_as_rabbitmqs_own(ctl, tmp_path):
    directory = tmp_path / "peer"
    directory.mkdir()
    peer = RabbitMq(directory).start()
    try:
        prepare(peer)
        tool = PeerTool(peer)
        differing = []
        for words in SAME:
            theirs, ours = tool(*words), ctl(*words)
            if comparable(theirs) != comparable(ours):
                differing.append(f"{words}\n--- RabbitMQ: {theirs}\n--- Millrace: {ours}")
        assert not differing, "\n".join(differing)
    finally:
        peer.stop()


def test_lists_have_the_columns_asked_for_in_the_order_asked_for(ctl):
    ended = ctl("list_queues", "-q", "messages,name", "arguments")
    assert ended.out.splitlines()[0] == "messages\tname\targuments"
    assert ended.out.splitlines()[1].startswith("2\tjobs\t[{")
    (item,) = json.loads(ctl("list_queues", "--formatter", "json", "name", "arguments").out)
    assert ["x-max-length", "signedint", 10] in item["arguments"]
    assert ctl("list_queues", "bogus").status == 64


def test_missing_words_are_bad_use(ctl):
    for words in (["add_user"], ["set_permissions", "a", "b"], ["delete_vhost", "a", "b"], ["nosuch"], []):
        assert ctl(*words).status == 64, words
    assert ctl("help").status == 0 and "set_permissions" in ctl("help").out


@pytest.mark.parametrize(
    "words",
    [
        ["stop_app"],
        ["reset"],
        ["set_vm_memory_high_watermark", "0.5"],
        ["set_disk_free_limit", "1GB"],
    ],
)
def test_what_is_not_offered_is_refused_in_one_line(ctl, words):
    ended = ctl(*words)
    assert ended.status == 1 and not ended.out
    assert ended.err.count("\n") == 1 and words[0] in ended.err


def test_definitions_and_connections_and_status(ctl, tmp_path):
    path = tmp_path / "definitions.json"
    assert ctl("export_definitions", str(path)).status == 0
    assert "jobs" in [queue["name"] for queue in json.loads(path.read_text())["queues"]]
    assert ctl("delete_queue", "jobs").status == 0
    assert ctl("import_definitions", str(path)).status == 0
    assert "jobs" in ctl("list_queues", "-s").out
    assert ctl("import_definitions", str(tmp_path / "nonesuch")).status != 0
    connection = pika.BlockingConnection(parameters(ctl.broker))
    names = []
    # What is listed may be a second old.
    wait_until(lambda: names.append(ctl("list_connections", "-s", "name").out.strip()) or names[-1], 10)
    name = names[-1]
    assert ctl("close_connection", name, "why").status == 0
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="why"):
        while True:
            connection.process_data_events(time_limit=1)
            connection.channel()
    assert "Node name: millrace@" in ctl("status").out
    assert ctl("ping").out.endswith("Ping succeeded\n")
    assert ctl("start_app").status == 0
    assert ctl("ping", MILLRACE_HTTP="127.0.0.1:1").status == 69
