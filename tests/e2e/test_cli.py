"""The command line against a running broker: what it prints, what it changes, how it ends."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pika
import pytest

from harness.cli import Cli, Ended, command, environment
from harness.http import Api
from harness.millrace import binary_path
from harness.pika_tools import depth, drain, get, publish, wait_until

pytestmark = pytest.mark.millrace_only("it is Millrace's command line")
OPTIONS = ["--http", "127.0.0.1:0"]

OK, REFUSED, BAD_USE, UNREACHABLE = 0, 1, 2, 3
HOSTILE = "<img onerror=x>\t\x1b[2J%2F日本"


def run_alone(*words, **variables):
    return Ended(
        subprocess.run(
            [str(binary_path()), *words], capture_output=True, timeout=60, check=False, env=environment(**variables)
        )
    )


# -- help and exit statuses


def all_verbs():
    text = run_alone("--help").out
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  +[A-Z]", text, re.MULTILINE)


def test_help_lists_the_verbs_and_each_has_an_example():
    verbs = all_verbs()
    assert {"serve", "status", "top", "queues", "queues add", "publish", "move", "definitions import"} <= set(verbs)
    assert len(verbs) > 40
    for verb in verbs:
        ended = run_alone(*verb.split(), "--help")
        assert ended.status == OK, ended
        assert "Example" in ended.out and f"millrace {verb}" in ended.out, verb


def test_bad_use_ends_with_2_and_says_where_help_is():
    for words in ([], ["quues"], ["purge"], ["queues", "--bogus"], ["publish", "q", "m", "--count", "x"], ["top"]):
        ended = run_alone(*words, MILLRACE_HTTP="127.0.0.1:1")
        assert ended.status == BAD_USE, ended
        assert ended.err.startswith("millrace: ") and not ended.out
    assert "is it 'queues'" in run_alone("quues").err
    assert "--http" in run_alone("queues", MILLRACE_HTTP="off").err


def test_a_broker_that_is_not_there_ends_with_3_and_what_to_do():
    ended = run_alone("status", "--http", "127.0.0.1:1")
    assert ended.status == UNREACHABLE
    assert "127.0.0.1:1" in ended.err and "millrace serve" in ended.err


def test_a_refusal_ends_with_1_and_names_the_thing(cli):
    assert "no queue 'nope' in virtual host '/'" in cli("queues", "show", "nope", status=REFUSED).err
    assert "no virtual host 'nope'" in cli("queues", "-p", "nope", status=REFUSED).err
    wrong = cli("queues", status=REFUSED, MILLRACE_USER="guest", MILLRACE_PASSWORD="wrong")
    assert "'guest'" in wrong.err and "MILLRACE_PASSWORD" in wrong.err and "wrong" not in wrong.err


# -- looking


def test_status_and_health_tell_of_the_node(cli, broker):
    assert "Alarms        none" in cli("status").out
    assert cli("status", "--json").json["overview"]["node"].startswith("millrace@")
    assert cli("health", "--port", str(broker.port), "--protocol", "amqp").out.count("ok ") == 5
    failed = cli("health", "--port", "1", status=REFUSED)
    assert "FAILED  port 1" in failed.out
    assert cli("health", "--port", "1", "--json", status=REFUSED).json["healthy"] is False


def test_lists_have_a_line_each_and_the_same_as_json(cli, connect, name):
    queue = name()
    channel = connect().channel()
    channel.queue_declare(queue, durable=True)
    channel.basic_consume(queue, lambda *_: None, consumer_tag="its-tag")
    publish(channel, queue, b"1", b"2")
    for verb in ("queues", "exchanges", "bindings", "users", "vhosts", "permissions", "policies"):
        lines = cli(verb).out.splitlines()
        items = cli(verb, "--json").json
        assert len(items) == (len(lines) - 1 if lines else 0), verb

    def seen():
        return "its-tag" in cli("consumers").out and "guest" in cli("connections").out

    wait_until(seen)
    assert "guest" in cli("channels").out
    wait_until(lambda: any(i["name"] == queue and i["messages"] == 2 for i in cli("queues", "--json").json))


def test_columns_and_order_can_be_chosen(cli, channel, name):
    queues = sorted([name("a"), name("b")])
    for queue in queues:
        channel.queue_declare(queue, durable=True)
    mine = lambda text: [line for line in text.splitlines() if line in queues]
    assert mine(cli("queues", "--columns", "name", "--sort", "name").out) == queues
    assert mine(cli("queues", "--columns", "name", "--sort", "-name").out) == queues[::-1]
    items = cli("queues", "--columns", "name,messages", "--json").json
    assert all(set(item) == {"name", "messages"} for item in items)


def test_hostile_names_cannot_steer_the_terminal(cli, channel):
    channel.queue_declare(HOSTILE, durable=True)
    out = cli("queues").out
    assert "\x1b" not in out and "<img onerror=x>\\t\\x1b[2J%2F日本" in out
    assert HOSTILE in [item["name"] for item in cli("queues", "--json").json]
    assert cli("queues", "show", HOSTILE, "--json").json["name"] == HOSTILE
    cli("publish", HOSTILE, "m")
    cli("purge", HOSTILE)
    assert "\x1b" not in cli("queues", "delete", HOSTILE).out


# -- changing


def test_queues_exchanges_and_bindings_come_and_go(cli, name):
    queue, exchange, other = name(), name("x"), name("y")
    cli("queues", "add", queue, "--argument", "x-max-length=3", "--argument", "x-overflow=reject-publish")
    shown = cli("queues", "show", queue, "--json").json
    assert shown["arguments"]["x-max-length"] == 3 and shown["arguments"]["x-overflow"] == "reject-publish"
    assert "x-max-length" in cli("queues", "add", queue, "--argument", "x-max-length=4", status=REFUSED).err
    cli("exchanges", "add", exchange, "--type", "topic")
    cli("exchanges", "add", other, "--type", "headers", "--transient")
    cli("bindings", "add", exchange, queue, "--key", "a.*/%")
    cli("bindings", "add", exchange, other, "--to-exchange")
    cli("bindings", "add", other, queue, "--argument", "x-match=any", "--argument", "k=1")
    bindings = [b for b in cli("bindings", "--json").json if b["source"] in (exchange, other)]
    assert len(bindings) == 3
    cli("bindings", "delete", exchange, queue, status=REFUSED)  # another key
    cli("bindings", "delete", exchange, queue, "--key", "a.*/%")
    cli("bindings", "delete", exchange, other, "--to-exchange")
    cli("bindings", "delete", other, queue, "--argument", "x-match=any", "--argument", "k=1")
    assert not [b for b in cli("bindings", "--json").json if b["source"] in (exchange, other)]
    cli("publish", queue, "m")
    cli("queues", "delete", queue, "--if-empty", status=REFUSED)
    cli("purge", queue)
    cli("queues", "delete", queue, "--if-empty", "--if-unused")
    cli("exchanges", "delete", exchange)
    cli("exchanges", "delete", other)


def test_users_keep_their_password_when_tags_change(cli, broker, name, tmp_path):
    user, vhost = name("u"), name("v")
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    cli("vhosts", "add", vhost, "--description", "for tests")
    cli("users", "add", user, "--new-password-file", str(secret))
    cli("users", "add", user, "--new-password-file", str(secret), status=REFUSED)
    cli("permissions", "set", user, "-p", vhost, "--write", "^w")
    cli("users", "tags", user, "management", "policymaker")
    assert [u["tags"] for u in cli("users", "--json").json if u["name"] == user] == [["management", "policymaker"]]
    as_user = {"MILLRACE_USER": user, "MILLRACE_PASSWORD_FILE": str(secret)}
    assert cli("vhosts", "--columns", "name", **as_user).out.split() == ["name", vhost]
    cli("users", status=REFUSED, **as_user)
    cli("users", "password", user, "--new-password-file", "-", stdin=b"other")
    cli("vhosts", status=REFUSED, **as_user)
    assert cli("vhosts", MILLRACE_USER=user, MILLRACE_PASSWORD="other").status == OK
    assert [u["tags"] for u in cli("users", "--json").json if u["name"] == user] == [["management", "policymaker"]]
    cli("permissions", "set-topic", user, "amq.topic", "-p", vhost, "--write", "^a")
    assert cli("permissions", "topic", "-p", vhost, "--json").json[0]["write"] == "^a"
    cli("permissions", "clear-topic", user, "-p", vhost)
    cli("permissions", "clear", user, "-p", vhost)
    cli("users", "delete", user)
    cli("vhosts", "delete", vhost)


def test_policies_are_set_and_deleted(cli, name):
    policy = name("p")
    cli("policies", "set", policy, "^zzz", "max-length=10", "overflow=reject-publish", "--priority", "3", "--apply-to", "queues")
    (item,) = [p for p in cli("policies", "--json").json if p["name"] == policy]
    assert item["definition"] == {"max-length": 10, "overflow": "reject-publish"} and item["priority"] == 3
    cli("policies", "delete", policy)
    cli("policies", "delete", policy, status=REFUSED)


def test_definitions_go_out_and_come_back(cli, channel, name, tmp_path):
    queue = name()
    channel.queue_declare(queue, durable=True)
    saved = tmp_path / "definitions.json"
    cli("definitions", "export", str(saved))
    assert saved.stat().st_mode & 0o077 == 0
    assert queue in [q["name"] for q in json.loads(saved.read_text())["queues"]]
    channel.queue_delete(queue)
    cli("definitions", "import", str(saved))
    channel.queue_declare(queue, passive=True)
    saved.write_text("{")
    cli("definitions", "import", str(saved), status=BAD_USE)


def test_connections_are_closed_with_a_reason(cli, broker, connect):
    connection = connect(client_properties={"connection_name": "to be closed"})
    channel = connection.channel()

    def find():
        return [c["name"] for c in cli("connections", "--json").json if c["user_provided_name"] == "to be closed"]

    wait_until(find)
    cli("connections", "close", find()[0], "--reason", "because")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="because"):
        while True:
            connection.process_data_events(time_limit=1)
            channel.queue_declare("", exclusive=True)


# -- messages


def test_publish_takes_an_argument_a_file_and_lines(cli, declare_queue, channel, tmp_path):
    queue = declare_queue()
    headers = ["--header", "n=1", "--header", "x=-19e92"]
    cli("publish", queue, "as argument", *headers, "--property", "content_type=text/plain", "--property", "priority=4")
    _, properties, body = get(channel, queue)
    assert body == b"as argument" and properties.headers == {"n": 1, "x": -19e92}
    assert properties.content_type == "text/plain" and properties.priority == 4 and properties.delivery_mode == 2
    octets = tmp_path / "octets"
    octets.write_bytes(bytes(range(256)))
    cli("publish", queue, "--file", str(octets), "--transient")
    _, properties, body = get(channel, queue)
    assert body == bytes(range(256)) and properties.delivery_mode == 1
    assert cli("publish", queue, "--json", stdin=b"one\ntwo\n\nlast").json == {"published": 4, "confirmed": 4}
    assert drain(channel, queue) == [b"one", b"two", b"", b"last"]
    assert cli("publish", queue, "x", "--count", "3", "--confirm").out.count("confirmed m.") == 3


def test_publish_where_nobody_takes_it_is_refused(cli, name):
    assert "queue" in cli("publish", name(), "m", status=REFUSED).err
    assert "no exchange" in cli("publish", "k", "m", "--exchange", name("x"), status=REFUSED).err


def test_publish_keeps_to_a_rate(cli, declare_queue):
    began = time.monotonic()
    cli("publish", declare_queue(), "m", "--count", "20", "--rate", "20")
    assert time.monotonic() - began >= 0.9


def test_consume_takes_or_only_looks(cli, declare_queue, channel):
    queue = declare_queue()
    publish(channel, queue, b"1", b"2", b"\xff\x00")
    assert cli("consume", queue, "--no-ack", "--count", "2").out == "1\n2\n"
    wait_until(lambda: depth(channel, queue) == 3)
    first, second, third = [json.loads(line) for line in cli("consume", queue, "--json").out.splitlines()]
    assert first["payload"] == "1" and first["redelivered"] is True and first["routing_key"] == queue
    assert third["payload_encoding"] == "base64" and third["payload_bytes"] == 2
    assert depth(channel, queue) == 0
    assert cli("consume", queue).out == ""


def test_consume_loses_nothing_when_its_reader_goes(cli, declare_queue, channel):
    queue = declare_queue()
    publish(channel, queue, *[b"x" * 10_000 for _ in range(200)])
    process = cli.start("consume", queue, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10_001)
    process.stdout.close()
    assert process.wait(20) == REFUSED
    process.stderr.close()
    # The pipe took some more before it broke; the rest is where it was.
    wait_until(lambda: depth(channel, queue) > 150)


def test_consume_follows_until_it_is_interrupted(cli, declare_queue, channel):
    queue = declare_queue()
    process = cli.start("consume", queue, "--follow", stdout=subprocess.PIPE)
    publish(channel, queue, b"first")
    assert process.stdout.readline() == b"first\n"
    time.sleep(1)
    publish(channel, queue, b"later")
    assert process.stdout.readline() == b"later\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == OK
    process.stdout.close()


def test_bench_measures_and_leaves_nothing_behind(cli, channel):
    measured = cli("bench", "--seconds", "1", "--publishers", "2", "--consumers", "2", "--size", "100", "--json").json
    assert measured["published"]["messages"] > 0
    assert measured["consumed"]["messages"] == measured["published"]["messages"]
    assert 0 < measured["published"]["p50_ms"] <= measured["published"]["max_ms"]
    assert "millrace.bench" not in cli("queues").out


# -- top and completion


def test_top_once_shows_queues_and_what_holds_them_back(cli, declare_queue, channel):
    queue = declare_queue()
    publish(channel, queue, b"1")
    assert re.search(rf"^{re.escape(queue)} .*no consumer$", cli("top", "--once").out, re.MULTILINE)
    (row,) = [row for row in cli("top", "--once", "--json").json if row["name"] == queue]
    assert row["ready"] == 1 and row["held_back_by"] == "no consumer"


@pytest.mark.parametrize("how", ["q", "interrupt", "terminate"])
def test_top_gives_the_terminal_back(broker, how):
    import termios

    leader, follower = pty.openpty()
    before = termios.tcgetattr(follower)
    environment_of_terminal = environment(TERM="xterm")
    process = subprocess.Popen(
        command(broker, "top"), stdin=follower, stdout=follower, stderr=follower, env=environment_of_terminal
    )
    try:
        shown = b""
        deadline = time.monotonic() + 20
        while b"q ends" not in shown and time.monotonic() < deadline:
            if select.select([leader], [], [], 0.2)[0]:
                shown += os.read(leader, 65536)
        assert b"\x1b[?1049h" in shown and b"HELD BACK BY" in shown
        assert termios.tcgetattr(follower)[3] & termios.ECHO == 0
        if how == "q":
            os.write(leader, b"\x1b[C\x1b[Brq")  # an arrow to each side, and the order reversed
        else:
            process.send_signal(signal.SIGINT if how == "interrupt" else signal.SIGTERM)
        ended = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < ended:
            if select.select([leader], [], [], 0.1)[0]:
                shown += os.read(leader, 65536)
        assert process.poll() == OK
        while select.select([leader], [], [], 0.1)[0]:
            shown += os.read(leader, 65536)
        assert shown.rstrip().endswith(b"\x1b[?1049l")
        assert termios.tcgetattr(follower) == before
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(leader)
        os.close(follower)


def test_completion_completes_in_bash(tmp_path):
    script = run_alone("completion", "bash").out
    path = tmp_path / "completion"
    path.write_text(script)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0

    def complete(*words):
        asked = " ".join(f"'{word}'" for word in words)
        code = f"source {path}; COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; _millrace; echo ${{COMPREPLY[@]}}"
        return subprocess.run(["bash", "-c", code], capture_output=True, check=True).stdout.decode().split()

    assert complete("millrace", "que") == ["queues"]
    assert set(complete("millrace", "queues", "")) >= {"show", "add", "delete"}
    assert complete("millrace", "queues", "delete", "--if-u") == ["--if-unused"]
    assert complete("millrace", "publish", "--prop") == ["--property"]
    for shell in ("zsh", "fish"):
        assert "queues" in run_alone("completion", shell).out
    assert run_alone("completion", "tcsh").status == BAD_USE
