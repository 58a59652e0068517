"""The audit log, and what must never be in it, nor anywhere else: passwords."""

import json
import os
import signal
import stat
import subprocess

import pika
import pytest

from harness.definitions import permission, user
from harness.http import Api
from harness.millrace import binary_path
from harness.pika_tools import parameters, refusal, wait_until
from harness.raw import RawConnection

pytestmark = pytest.mark.millrace_only("its options are ours")

DEFINITIONS = {
    "users": [user("ann", tags=["management"]), user("limited")],
    "permissions": [permission("ann"), permission("limited", configure="^mine", write="^mine", read="^mine")],
}


@pytest.fixture
def audited(own_broker, tmp_path):
    path = tmp_path / "audit.jsonl"
    broker = own_broker(options=["--http", "127.0.0.1:0", "--audit-log", str(path)], definitions=DEFINITIONS)
    broker.audit_path = path
    return broker


def lines(broker, event=None, **wanted):
    found = [json.loads(line) for line in broker.audit_path.read_text().splitlines()]
    wanted.update({"event": event} if event else {})
    return [line for line in found if all(line.get(key) == value for key, value in wanted.items())]


def test_logins_are_told_of_with_who_and_from_where(audited):
    pika.BlockingConnection(parameters(audited, "ann", "ann")).close()
    with RawConnection(audited) as raw:
        raw.start()
        raw.login("PLAIN", "\0ann\0wrong")
        raw.refusal()
    accepted = wait_until(lambda: lines(audited, "login_accepted", user="ann"))[0]
    assert accepted["protocol"] == "AMQP 0-9-1" and accepted["peer"].startswith("127.0.0.1:")
    assert accepted["time"].endswith("Z") and "T" in accepted["time"]
    refused = wait_until(lambda: lines(audited, "login_refused", user="ann"))[0]
    assert refused["reason"] == "user 'ann' - invalid credentials"
    # HTTP says who it is with each request: one line.
    api = Api(audited, "ann")
    for _ in range(5):
        api.get("/whoami")
    assert len(lines(audited, "login_accepted", user="ann", protocol="HTTP")) <= 1
    Api(audited, "ann", "wrong")("GET", "/whoami", expect=401)
    assert lines(audited, "login_refused", user="ann", protocol="HTTP")


def test_refusals_are_told_of_whichever_way_they_were_asked_for(audited):
    connection = pika.BlockingConnection(parameters(audited, "limited", "limited"))
    refusal(connection.channel().queue_declare, "yours")
    reason = "configure access to queue 'yours' in vhost '/' refused for user 'limited'"
    told = wait_until(lambda: lines(audited, "access_refused", user="limited"))[0]
    assert told["reason"] == reason and told["vhost"] == "/" and told["peer"].startswith("127.0.0.1:")
    Api(audited, "ann")("PUT", "/users/evil", {"password": "x", "tags": "administrator"}, expect=401)
    wait_until(lambda: lines(audited, "access_refused", user="ann"))
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(parameters(audited, "limited", "limited", vhost="other"))
    Api(audited).put("/vhosts/other")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(parameters(audited, "limited", "limited", vhost="other"))
    wait_until(lambda: lines(audited, "access_refused", user="limited", vhost="other"))
    connection.close()


def test_changes_of_definitions_are_told_of_with_who_asked(audited):
    api = Api(audited)
    api.put("/users/new", {"password": "new", "tags": "monitoring"})
    api.put("/permissions/%2F/new", {"configure": "", "write": "^w", "read": ".*"})
    api.put("/policies/%2F/p", {"pattern": "^x", "definition": {"max-length": 1}})
    api.put("/user-limits/new/max-connections", {"value": 3})
    api.delete("/users/new")
    api.post("/vhosts/%2F/deletion/protection", expect=204)
    api.delete("/vhosts/%2F/deletion/protection")
    changes = [line["change"] for line in wait_until(lambda: lines(audited, "definition_changed", user="guest"))]
    assert "put user 'new' (monitoring)" in changes
    assert "put permission of 'new' (configure '', write '^w', read '.*')" in changes
    assert "put policy 'p' for '^x'" in changes
    assert "put limit max-connections of user 'new': 3" in changes
    assert "delete user 'new'" in changes
    assert changes[-2:] == ["protect vhost '/'", "unprotect vhost '/'"]
    connection = pika.BlockingConnection(parameters(audited, "ann", "ann"))
    channel = connection.channel()
    channel.queue_declare("d", durable=True)
    channel.queue_declare("d", durable=True)  # nothing new
    channel.queue_bind("d", "amq.direct", "k")
    channel.queue_declare("", exclusive=True)  # ends with its connection: no definition to speak of
    channel.queue_delete("d")
    connection.close()
    changes = [line["change"] for line in lines(audited, "definition_changed", user="ann")]
    assert changes[:2] == ["put queue 'd'", "put binding of queue 'd' to 'amq.direct' by 'k'"]
    assert changes[-1] == "delete queue 'd'"
    assert lines(audited, "definition_changed", user="ann")[0]["peer"].startswith("127.0.0.1:")


def test_the_file_is_its_owners_alone_and_is_opened_anew_by_sighup(audited):
    assert stat.S_IMODE(audited.audit_path.stat().st_mode) == 0o600
    moved = audited.audit_path.with_suffix(".1")
    os.rename(audited.audit_path, moved)
    os.kill(audited.process.pid, signal.SIGHUP)
    wait_until(audited.audit_path.exists)
    pika.BlockingConnection(parameters(audited, "ann", "ann")).close()
    wait_until(lambda: lines(audited, "login_accepted", user="ann"))


def test_a_file_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    command = [str(binary_path()), "serve", "--data-dir", str(tmp_path / "d"), "--amqp", "127.0.0.1:0"]
    for path in (tmp_path / "nowhere" / "audit", tmp_path):
        ran = subprocess.run([*command, "--audit-log", str(path)], capture_output=True, timeout=10, check=False)
        assert ran.returncode == 1 and "audit log" in ran.stderr.decode()


def test_names_cannot_forge_a_line(audited):
    evil = 'x"}\n{"event":"login_accepted","user":"admin"\x1b[2J\u202e'
    with RawConnection(audited) as raw:
        raw.start()
        raw.login("PLAIN", f"\0{evil}\0wrong")
        raw.refusal()
    told = wait_until(lambda: lines(audited, "login_refused"))
    assert told[0]["user"] == evil
    assert not lines(audited, "login_accepted", user="admin")


PLANTED = "pl4nted-c4nary-p4ssword"


def test_a_planted_password_shows_up_nowhere(own_broker, tmp_path):
    """CWE-532: logs, metrics, the API, the page, the audit log, what is on the disk, and a process listing."""
    path = tmp_path / "audit.jsonl"
    options = ["--http", "127.0.0.1:0", "--prometheus", "127.0.0.1:0", "--audit-log", str(path), "--log-level", "debug"]
    broker = own_broker(
        options=options, definitions={"users": [{"name": "planted", "password": PLANTED, "tags": ["administrator"]}]}
    )
    api = Api(broker)
    api.put("/permissions/%2F/planted", {"configure": ".*", "write": ".*", "read": ".*"})
    api.put("/users/second", {"password": PLANTED, "tags": ""})
    connection = pika.BlockingConnection(parameters(broker, "planted", PLANTED))
    connection.channel().queue_declare("q", durable=True)
    for name, password in (("planted", PLANTED + "x"), ("nobody", PLANTED), ("guest", PLANTED)):
        with RawConnection(broker) as raw:
            raw.start()
            raw.login("PLAIN", f"\0{name}\0{password}")
            raw.refusal()
    with RawConnection(broker) as raw:  # a login that says nothing well
        raw.start()
        raw.login("PLAIN", PLANTED)
        assert PLANTED not in raw.refusal()[1]
    Api(broker, "planted", PLANTED).get("/whoami")
    Api(broker, "planted", PLANTED + "x")("GET", "/whoami", expect=401)
    Api(broker)("PUT", "/users/broken", b'{"password": "' + PLANTED.encode() + b'", "tags": [', expect=400)

    seen = {}
    for where in (
        *("/overview", "/nodes", "/connections", "/channels", "/consumers", "/exchanges", "/queues", "/bindings"),
        *("/vhosts", "/users", "/permissions", "/policies", "/parameters", "/definitions", "/whoami"),
    ):
        seen[where] = api("GET", where).octets.decode(errors="replace")
    seen["page"] = api.ask("GET", "/").octets.decode()
    seen["metrics"] = api.ask("GET", "/metrics").octets.decode()
    seen["audit log"] = path.read_text()
    connection.close()
    broker.stop()
    seen["log"] = broker.log_tail(10_000_000)
    for file in (broker.directory / "data").rglob("*"):
        if file.is_file():
            seen[str(file)] = file.read_bytes().decode("latin-1")
    assert "planted" in seen["/users"] and "planted" in seen["audit log"]  # it was looked for in the right places
    assert [where for where, text in seen.items() if PLANTED in text] == []
