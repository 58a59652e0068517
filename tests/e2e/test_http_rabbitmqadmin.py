"""RabbitMQ's own command-line tool for the HTTP API, unmodified, where the machine has it."""

import json
import shutil
import subprocess

import pytest

pytestmark = [
    pytest.mark.millrace_only("RabbitMQ needs a plug-in for it"),
    pytest.mark.skipif(shutil.which("rabbitmqadmin") is None, reason="rabbitmqadmin comes with Debian's rabbitmq-server"),
]


@pytest.fixture
def run(own_broker):
    broker = own_broker(options=["--http", "127.0.0.1:0"])

    def rabbitmqadmin(*arguments, status=0):
        command = ["rabbitmqadmin", "-H", "127.0.0.1", "-P", str(broker.http_port), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == status, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    return rabbitmqadmin


def listed(run, what, *columns):
    return json.loads(run("-f", "raw_json", "list", what, *columns))


def test_rabbitmqadmin_declares_lists_and_deletes(run, tmp_path):
    run("declare", "queue", "name=q", "durable=true", 'arguments={"x-max-length":10}')
    run("declare", "exchange", "name=x", "type=topic")
    run("declare", "binding", "source=x", "destination=q", "routing_key=a.#")
    run("declare", "vhost", "name=v")
    run("declare", "user", "name=u", "password=p", "tags=administrator")
    run("declare", "permission", "vhost=v", "user=u", "configure=.*", "write=.*", "read=.*")
    run("declare", "policy", "name=p", "pattern=^q", 'definition={"max-length":5}', "apply-to=queues")
    run("declare", "operator_policy", "name=o", "pattern=.", 'definition={"max-length":50}')
    run("declare", "vhost_limit", "vhost=v", "name=max-queues", "value=3")

    assert [q["name"] for q in listed(run, "queues")] == ["q"]
    assert ("x", "q", "a.#") in [(b["source"], b["destination"], b["routing_key"]) for b in listed(run, "bindings")]
    for what in ("exchanges", "vhosts", "users", "permissions", "policies", "operator_policies", "vhost_limits", "nodes"):
        assert listed(run, what), what
        assert run("list", what).startswith("+--"), what
    for what in ("connections", "channels", "consumers", "parameters"):
        listed(run, what)
    assert "millrace" in run("show", "overview")

    run("publish", "exchange=x", "routing_key=a.b", "payload=hello", 'properties={"delivery_mode":2}')
    assert "hello" in run("get", "queue=q", "ackmode=ack_requeue_true")
    run("purge", "queue", "name=q")
    assert "hello" not in run("get", "queue=q", "ackmode=ack_requeue_true")

    exported = tmp_path / "definitions.json"
    run("export", str(exported))
    (key,) = [b["properties_key"] for b in listed(run, "bindings") if b["source"] == "x"]
    run("delete", "binding", "source=x", "destination=q", "destination_type=queue", f"properties_key={key}")
    run("delete", "queue", "name=q")
    run("delete", "exchange", "name=x")
    run("delete", "policy", "name=p")
    run("delete", "operator_policy", "name=o")
    run("delete", "vhost", "name=v")
    run("delete", "user", "name=u")
    assert listed(run, "queues") == [] and [v["name"] for v in listed(run, "vhosts")] == ["/"]
    run("import", str(exported))
    assert [q["name"] for q in listed(run, "queues")] == ["q"]
    assert [v["name"] for v in listed(run, "vhosts")] == ["/", "v"]
    run("delete", "queue", "name=none", status=1)
