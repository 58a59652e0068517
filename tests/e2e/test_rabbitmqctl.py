"""The program under the name rabbitmqctl: output and exit statuses as RabbitMQ's own, held against it where it is installed."""

import json
import re
import socket

import pika
import pytest

from harness.cli import Rabbitmqctl
from harness.http import Api
from harness.pika_tools import parameters, publish, wait_until
from harness.rabbitmq import CTL, RabbitMq

pytestmark = pytest.mark.millrace_only("it is Millrace's command line")

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
    ["set_vm_memory_high_watermark", "0.4"],
    ["set_vm_memory_high_watermark", "absolute", "1GB"],
    ["set_disk_free_limit", "mem_relative", "0.01"],
    ["set_disk_free_limit", "50MB"],
    ["stop_app"],
    ["reset"],
    ["start_app"],
    ["list_queues"],
    ["list_users"],
]


def comparable(ended):
    # RabbitMQ lists in no order; the first lines are headings. The exchange for events comes with a plug-in there.
    lines = [line for line in ended.out.splitlines() if "amq.rabbitmq.event" not in line]
    return ended.status, sorted(without_node(line) for line in lines), without_node(ended.err.strip())


def without_node(text):
    return re.sub(r"\b(?:peer|millrace)\w*@[\w-]+", "NODE", text)


@pytest.mark.skipif(not CTL.exists(), reason="rabbitmq-server is not installed")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_commands_answer_as_rabbitmqs_own(ctl, tmp_path):
    directory = tmp_path / "peer"
    directory.mkdir()
    peer = RabbitMq(directory).start()
    try:
        prepare(peer)
        differing = []
        for words in SAME:
            theirs, ours = peer.ctl(*words), ctl(*words)
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


def test_a_protected_user_is_changed_by_its_tags_alone(ctl):
    assert ctl("add_user", "alice", "pw").status == 0 and ctl("set_user_tags", "alice", "protected").status == 0
    for words in (["delete_user", "alice"], ["change_password", "alice", "other"]):
        refused = ctl(*words)
        assert refused.status != 0 and "Protected users cannot be modified via the HTTP API" in refused.err, words
    assert ctl("set_user_tags", "alice").status == 0 and ctl("delete_user", "alice").status == 0


def test_a_protected_vhost_is_not_deleted(ctl):
    assert ctl("add_vhost", "v1").status == 0
    protected = ctl("enable_vhost_deletion_protection", "v1")
    assert protected.status == 0
    assert protected.out == 'Protecting virtual host "v1" from removal by updating its metadata...\n'
    refused = ctl("delete_vhost", "v1")
    assert refused.status == 65 and refused.err == (
        "Cannot delete this virtual host: it is protected from deletion. To lift the protection, inspect and update its metadata\n"
    )
    assert ctl("list_vhosts", "-s", "name", "protected_from_deletion").out.splitlines() == ["/\tfalse", "v1\ttrue"]
    assert ctl("disable_vhost_deletion_protection", "v1").status == 0
    assert ctl("delete_vhost", "v1").status == 0
    for command in ("enable_vhost_deletion_protection", "disable_vhost_deletion_protection"):
        missing = ctl(command, "v1")
        assert missing.status == 65 and missing.err == "Virtual host 'v1' does not exist\n"


@pytest.mark.parametrize(
    "words",
    [
        ["shutdown"],
        ["join_cluster", "rabbit@other"],
        ["eval", "1."],
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
    name = ctl("list_connections", "-s", "name").out.strip()
    assert name  # at once
    assert ctl("close_connection", name, "why").status == 0
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="'CONNECTION_FORCED - why'"):
        while True:
            connection.process_data_events(time_limit=1)
            connection.channel()
    assert "Node name: millrace@" in ctl("status").out
    assert ctl("ping").out.endswith("Ping succeeded\n")
    assert ctl("ping", MILLRACE_HTTP="127.0.0.1:1").status == 69


def watermarks(ctl):
    return Api(ctl.broker).get("/millrace/watermarks")


def publisher(ctl, told):
    """A connection that appends to `told` when it is blocked and unblocked."""
    connection = pika.BlockingConnection(parameters(ctl.broker))
    connection.add_on_connection_blocked_callback(lambda *_: told.append("blocked"))
    connection.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
    return connection


@pytest.mark.parametrize("command", ["set_vm_memory_high_watermark", "set_disk_free_limit"])
def test_a_watermark_holds_publishers_back_at_once_and_lets_them_go_on(ctl, command):
    low, high = ("0", "0.4") if command == "set_vm_memory_high_watermark" else ("1MB", "1000000G")
    holding, letting = (low, high) if command == "set_vm_memory_high_watermark" else (high, low)
    told = []
    with publisher(ctl, told) as connection:
        channel = connection.channel()
        for value, state in ((holding, "blocked"), (letting, "unblocked")):
            assert ctl(command, value).status == 0
            publish(channel, "jobs", b"3")
            wait_until(lambda: connection.process_data_events(0.1) or told[-1:] == [state], 10)


def test_watermarks_are_given_in_rabbitmqs_units(ctl):
    total = watermarks(ctl)["mem_total"]
    for words, bytes_ in (
        (["absolute", "1GB"], 10**9),
        (["absolute", "2GiB"], 2 * 2**30),
        (["absolute", "3k"], 3 * 2**10),
        (["absolute", "5"], 5),
        (["0.25"], round(total / 4)),
    ):
        assert ctl("set_vm_memory_high_watermark", *words).status == 0
        assert watermarks(ctl)["mem_limit"] == bytes_, words
    for words, bytes_ in ((["10MB"], 10**7), (["mem_relative", "0.5"], round(total / 2))):
        assert ctl("set_disk_free_limit", *words).status == 0
        assert watermarks(ctl)["disk_free_limit"] == bytes_, words
    assert Api(ctl.broker).get("/nodes?fresh=true")[0]["disk_free_limit"] == round(total / 2)


@pytest.mark.parametrize(
    "words, status",
    [
        (["set_vm_memory_high_watermark", "2"], 65),
        (["set_vm_memory_high_watermark", "half"], 65),
        (["set_vm_memory_high_watermark", "absolute", "1XB"], 65),
        (["set_vm_memory_high_watermark", "absolute", "1B"], 65),
        (["set_vm_memory_high_watermark", "absolute", "MB"], 65),
        (["set_vm_memory_high_watermark", "absolute", "1kbb"], 65),
        (["set_vm_memory_high_watermark", "absolute"], 64),
        (["set_vm_memory_high_watermark", "0.4", "0.5"], 64),
        (["set_disk_free_limit", "some"], 65),
        (["set_disk_free_limit", "9999999999GB"], 65),
        (["set_disk_free_limit", "mem_relative", "some"], 65),
        (["set_disk_free_limit", "mem_relative"], 64),
    ],
)
def test_watermarks_that_mean_nothing_change_nothing(ctl, words, status):
    before = watermarks(ctl)
    assert ctl(*words).status == status
    assert watermarks(ctl) == before


def is_answered(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_stopped_application_serves_nobody_until_it_is_started(ctl):
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="shutdown"):
        connection = pika.BlockingConnection(parameters(ctl.broker))
        assert ctl("stop_app").status == 0
        while True:
            connection.process_data_events(time_limit=1)
    api = Api(ctl.broker)
    assert not is_answered(ctl.broker.port)
    assert "maintenance?: true" in ctl("status").out
    for check in ("is-in-service", "ready-to-serve-clients", f"port-listener/{ctl.broker.port}", "protocol-listener/amqp"):
        assert api("GET", f"/health/checks/{check}").status == 503, check
    assert ctl("stop_app").status == 0
    assert ctl("start_app").status == 0 and ctl("start_app").status == 0
    connection = pika.BlockingConnection(parameters(ctl.broker))
    assert connection.channel().queue_declare("jobs", passive=True).method.message_count == 2
    connection.close()
    for check in ("is-in-service", "ready-to-serve-clients", f"port-listener/{ctl.broker.port}", "protocol-listener/amqp"):
        assert api("GET", f"/health/checks/{check}").status == 200, check


def test_an_application_whose_port_was_taken_meanwhile_stays_stopped(ctl):
    assert ctl("stop_app").status == 0
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", ctl.broker.port))
        taken.listen()
        ended = ctl("start_app")
        assert ended.status != 0 and "Address already in use" in ended.err
        assert Api(ctl.broker).get("/millrace/service") == {"on": False}
    assert ctl("start_app").status == 0 and is_answered(ctl.broker.port)


def test_a_reset_leaves_what_a_new_broker_has(ctl):
    api = Api(ctl.broker)
    new = api.get("/definitions")
    for words in (
        ["add_user", "alice", "pw"],
        ["add_vhost", "v1"],
        ["set_permissions", "-p", "v1", "alice", ".*", ".*", ".*"],
        ["set_policy", "p1", "^jobs", '{"max-length":5}'],
    ):
        assert ctl(*words).status == 0
    api.put("/cluster-name", {"name": "mine"})
    refused = ctl("reset")
    assert refused.status == 64 and "to be stopped" in refused.err
    assert len(api.get("/users")) == 2
    assert ctl("stop_app").status == 0 and ctl("reset").status == 0 and ctl("start_app").status == 0

    def left():
        found = api.get("/definitions")
        return {key: found[key] for key in ("vhosts", "permissions", "policies", "queues", "bindings", "global_parameters")}

    expected = {**{key: new[key] for key in ("vhosts", "permissions", "policies", "global_parameters")}, "queues": [], "bindings": []}
    assert left() == expected and [user["name"] for user in api.get("/users")] == ["guest"]
    ctl.broker.kill()
    ctl.broker.start()
    assert left() == expected
    connection = pika.BlockingConnection(parameters(ctl.broker))
    assert connection.channel().queue_declare("jobs", durable=True).method.message_count == 0
    connection.close()
