"""The command line over TLS: requests and messages, and whom it does not believe."""

import subprocess

import pytest

from harness.certificates import Authority, options
from harness.cli import Ended, environment
from harness.millrace import binary_path

pytestmark = pytest.mark.millrace_only("it is Millrace's command line")

OK, REFUSED, BAD_USE, UNREACHABLE = 0, 1, 2, 3


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def broker(own_broker, authority):
    certificate = authority.vouch("localhost", "DNS:localhost,IP:127.0.0.1")
    broker = own_broker(options=options(certificate))
    broker.https_port = broker.ready_port("https")
    return broker


def run(*words, stdin=b"", **variables):
    return Ended(
        subprocess.run([str(binary_path()), *map(str, words)], input=stdin, capture_output=True, timeout=60, check=False, env=environment(**variables))
    )


def test_verbs_speak_to_a_broker_whose_certificate_is_vouched_for(broker, authority):
    for host in ("localhost", "127.0.0.1"):
        secure = ("--url", f"https://{host}:{broker.https_port}", "--cacert", authority.file)
        assert run("status", *secure).status == OK
    assert run("queues", "add", "work", *secure).status == OK
    assert run("publish", "work", "hello", *secure).status == OK  # by amqps, which the broker names
    listed = run("queues", "--json", *secure, "--columns", "name,messages")
    assert listed.json == [{"name": "work", "messages": 1}]
    consumed = run("consume", "work", "--count", "1", *secure)
    assert (consumed.status, consumed.out, consumed.err) == (OK, "hello\n", "")
    assert run("bench", "--seconds", "1", "--rate", "100", *secure).status == OK
    url = {"MILLRACE_URL": secure[1], "MILLRACE_CACERT": str(authority.file)}
    assert run("purge", "work", **url).status == OK


def test_it_says_why_it_does_not_believe(broker, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    url = f"https://localhost:{broker.https_port}"
    for trust in ((), ("--cacert", stranger.file)):
        ended = run("status", "--url", url, *trust)
        assert ended.status == UNREACHABLE and "vouches for its certificate" in ended.err and "--cacert" in ended.err
    ended = run("publish", "q", "m", "--url", f"http://127.0.0.1:{broker.http_port}", "--amqp", f"amqps://localhost:{broker.ready_port('amqps')}")
    assert ended.status == UNREACHABLE and "not trusted" in ended.err
    assert run("status", "--url", url, "--cacert", tmp_path / "nothing.pem").status == BAD_USE


def test_it_says_whose_certificate_is_wrong(own_broker, authority):
    broker = own_broker(options=options(authority.vouch("elsewhere.example", "DNS:elsewhere.example")))
    ended = run("status", "--url", f"https://localhost:{broker.ready_port('https')}", "--cacert", authority.file)
    assert ended.status == UNREACHABLE and "of somebody else than 'localhost'" in ended.err
    ended = run("status", "--url", f"https://127.0.0.1:{broker.ready_port('https')}", "--cacert", authority.file)
    assert ended.status == UNREACHABLE and "of somebody else than '127.0.0.1'" in ended.err


def test_a_certificate_that_has_ended_is_not_believed(own_broker, authority):
    certificate = authority.vouch("localhost", "DNS:localhost", days=-1, file="ended")
    broker = own_broker(options=options(certificate))
    ended = run("status", "--url", f"https://localhost:{broker.ready_port('https')}", "--cacert", authority.file)
    assert ended.status == UNREACHABLE and "certificate has expired" in ended.err


def test_insecure_believes_anybody_and_says_so(broker):
    ended = run("status", "--url", f"https://localhost:{broker.https_port}", "--insecure")
    assert ended.status == OK and "whoever answers is believed" in ended.err
    assert run("status", "--insecure", "--http", f"127.0.0.1:{broker.http_port}").status == BAD_USE


@pytest.fixture
def strict(own_broker, authority):
    """Wants certificates of clients; knows ann by hers, and her password."""
    certificate = authority.vouch("localhost", "DNS:localhost,IP:127.0.0.1")
    definitions = {
        "users": [{"name": "ann", "password": "hers", "tags": "monitoring"}],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": "ann", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    }
    broker = own_broker(
        options=options(certificate, "--tls-ca", authority.file, "--tls-verify", "require"), definitions=definitions
    )
    broker.secure = ("--url", f"https://localhost:{broker.ready_port('https')}", "--cacert", authority.file)
    return broker


def test_a_certificate_is_shown_to_who_wants_one(strict, authority, tmp_path):
    for name in ("ann", "nobody-here"):
        certificate = authority.vouch(name)
        shown = (*strict.secure, "--cert", certificate.chain, "--cert-key", certificate.key)
        assert run("status", *shown).status == OK
        assert run("queues", "add", name, *shown).status == OK
        ended = run("publish", name, "m", *shown)
        assert ended.status == OK, ended.err
    both = tmp_path / "both.pem"
    both.write_text(certificate.chain.read_text() + certificate.key.read_text())
    assert run("status", *strict.secure, "--cert", both).status == OK
    assert run("status", *strict.secure, MILLRACE_CERT=str(certificate.chain), MILLRACE_CERT_KEY=str(certificate.key)).status == OK


def test_messages_go_as_whom_the_certificate_names_unless_somebody_is_named(strict, authority):
    certificate = authority.vouch("ann")
    shown = (*strict.secure, "--cert", certificate.chain, "--cert-key", certificate.key)
    assert run("queues", "add", "mine", *shown).status == OK
    # The broker lets nobody say that another user has sent a message.
    assert run("publish", "mine", "m", "--property", "user_id=ann", *shown).status == OK
    assert run("publish", "mine", "m", "--property", "user_id=guest", *shown).status == REFUSED
    named = ("--user", "guest", "--password", "guest")
    assert run("publish", "mine", "m", "--property", "user_id=guest", *shown, *named).status == OK


def test_it_says_when_a_certificate_is_wanted_or_not_taken(strict, tmp_path):
    stranger = Authority(tmp_path, "stranger").vouch("ann")
    for shown in ((), ("--cert", stranger.chain, "--cert-key", stranger.key)):
        ended = run("status", *strict.secure, *shown)
        assert ended.status == UNREACHABLE and "--cert FILE" in ended.err, ended.err
    assert run("status", *strict.secure, "--cert", tmp_path / "nothing.pem").status == BAD_USE
    ended = run("status", *strict.secure, "--cert", stranger.chain, "--cert-key", strict.log_path)
    assert ended.status == BAD_USE and "key" in ended.err


def test_a_port_that_speaks_no_tls_is_named(broker):
    ended = run("status", "--url", f"https://localhost:{broker.http_port}")
    assert ended.status == UNREACHABLE and "TLS" in ended.err
    ended = run("status", "--url", f"http://localhost:{broker.https_port}")
    assert ended.status == UNREACHABLE
