"""From the first octet to connection.open-ok: what the broker says of itself, and what it refuses."""

import time

import pytest
from pamqp import commands

from harness.raw import PROTOCOL_HEADER, RawConnection, frame_bytes, plain

LOGIN_REFUSED = (
    "ACCESS_REFUSED - Login was refused using authentication mechanism {}. For details see the broker logfile."
)

says_nothing = pytest.mark.differs_from_310("closes the connection without saying why")


@pytest.fixture
def raw(broker):
    with RawConnection(broker) as connection:
        yield connection


@pytest.mark.parametrize("header", [b"AMQP\x00\x00\x09\x01", b"AMQP\x01\x01\x00\x09"])
def test_both_ways_to_write_the_protocol_header_are_understood(raw, header):
    raw.send_bytes(header)
    start = raw.expect(commands.Connection.Start)
    assert (start.version_major, start.version_minor) == (0, 9)


@pytest.mark.parametrize(
    "header", [b"AMQP\x00\x00\x08\x00", b"AMQP\x01\x01\x00\x08", b"HTTP\x00\x00\x09\x01", b"\0" * 8]
)
def test_another_protocol_is_told_the_one_spoken_here_and_closed(raw, header):
    raw.send_bytes(header)
    assert raw.receive_bytes(100) == PROTOCOL_HEADER


def test_start_tells_mechanisms_locales_and_capabilities(raw):
    start = raw.start()
    assert {"PLAIN", "AMQPLAIN"} <= set(start.mechanisms.split())
    assert start.locales == "en_US"
    properties = start.server_properties
    assert properties["product"] == "RabbitMQ"
    assert all(part.isdigit() for part in properties["version"].split("."))
    assert {"platform", "copyright", "information", "cluster_name"} <= set(properties)
    capabilities = (
        "publisher_confirms exchange_exchange_bindings basic.nack consumer_cancel_notify connection.blocked"
        " consumer_priorities authentication_failure_close per_consumer_qos direct_reply_to"
    )
    assert {name: properties["capabilities"][name] for name in capabilities.split()} == dict.fromkeys(
        capabilities.split(), True
    )


def test_anonymous_is_not_offered_unless_switched_on(raw):
    assert "ANONYMOUS" not in raw.start().mechanisms.split()


@pytest.mark.millrace_only("an option of our own program")
def test_anonymous_logs_in_as_guest_when_switched_on(own_broker):
    broker = own_broker(options=["--allow-anonymous"])
    with RawConnection(broker) as raw:
        assert "ANONYMOUS" in raw.start().mechanisms.split()
        raw.login("ANONYMOUS", "whoever")
        raw.expect(commands.Connection.Tune)
        raw.send(commands.Connection.TuneOk(2047, 131072, 0))
        raw.ask(commands.Connection.Open("/"), commands.Connection.OpenOk)
        raw.open_channel()
        raw.ask(commands.Queue.Declare(queue="anonymous", exclusive=True), commands.Queue.DeclareOk, 1)


def test_anonymous_is_refused_unless_switched_on(raw):
    raw.start()
    raw.login("ANONYMOUS", "")
    assert raw.end() in ((503, "COMMAND_INVALID - unknown authentication mechanism 'ANONYMOUS'"), None)


@pytest.mark.millrace_only("RabbitMQ has a plugin for it")
def test_external_is_for_the_program_that_a_broker_runs_in(raw):
    assert "EXTERNAL" not in raw.start().mechanisms.split()
    raw.login("EXTERNAL", "")
    assert raw.end() in ((503, "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'"), None)


def test_tune_offers_131072_octets_2047_channels_and_60_seconds(raw):
    raw.start()
    raw.login()
    tune = raw.expect(commands.Connection.Tune)
    assert (tune.frame_max, tune.channel_max, tune.heartbeat) == (131072, 2047, 60)


def test_amqplain_logs_in(raw):
    raw.start()
    raw.login("AMQPLAIN", "\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest")
    raw.expect(commands.Connection.Tune)


@pytest.mark.parametrize(
    "mechanism, response",
    [
        ("PLAIN", plain("guest", "wrong")),
        ("PLAIN", plain("nobody", "x")),
        ("PLAIN", plain("guest", "")),
        ("PLAIN", plain("", "")),
    ],
    ids=["wrong password", "unknown user", "empty password", "no user"],
)
def test_a_client_that_can_be_told_so_is_told_that_its_login_failed(raw, mechanism, response):
    raw.start()
    raw.login(mechanism, response)
    assert raw.refusal() == (403, LOGIN_REFUSED.format(mechanism))


def test_a_failed_amqplain_login_names_its_mechanism(raw):
    raw.start()
    raw.login("AMQPLAIN", "\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05wrong")
    assert raw.refusal() == (403, LOGIN_REFUSED.format("AMQPLAIN"))


def test_a_client_that_cannot_be_told_finds_the_connection_closed(raw):
    raw.start()
    raw.login(response=plain("guest", "wrong"), capabilities={})
    raw.expect_end()


@says_nothing
def test_an_unknown_mechanism_is_refused_by_name(raw):
    raw.start()
    raw.login("TELEPATHY")
    assert raw.refusal() == (503, "COMMAND_INVALID - unknown authentication mechanism 'TELEPATHY'")


@pytest.mark.parametrize("response", ["no zero octets", "\0guest"])
def test_a_response_that_is_no_plain_response_does_not_log_in(raw, response):
    raw.start()
    raw.login(response=response)
    value = raw.receive()
    assert value is None or isinstance(value, commands.Connection.Close)


@says_nothing
def test_a_frame_max_below_the_floor_is_refused(raw):
    raw.tune(frame_max=4095)
    code, text = raw.refusal()
    assert code == 530
    assert text.startswith("NOT_ALLOWED - negotiated frame_max = 4095 is lower than the minimum allowed value (")


def test_a_frame_max_of_4096_is_accepted_as_old_clients_ask_for_it(raw):
    raw.open(frame_max=4096)


@says_nothing
def test_a_frame_max_above_the_offer_is_refused(raw):
    raw.tune(frame_max=131073)
    assert raw.refusal() == (
        530,
        "NOT_ALLOWED - negotiated frame_max = 131073 is higher than the maximum allowed value (131072)",
    )


@says_nothing
@pytest.mark.parametrize("channel_max", [2048, 0])
def test_a_channel_max_above_the_offer_is_refused(raw, channel_max):
    raw.tune(channel_max=channel_max)
    assert raw.refusal() == (
        530,
        f"NOT_ALLOWED - negotiated channel_max = {channel_max} is higher than the maximum allowed value (2047)",
    )


def test_a_missing_vhost_is_refused(raw):
    raw.tune()
    raw.send(commands.Connection.Open("nowhere"))
    assert raw.refusal() == (530, "NOT_ALLOWED - vhost nowhere not found")


@pytest.mark.parametrize(
    "state, value",
    [
        ("started", commands.Connection.Open("/")),
        ("tuned", commands.Connection.StartOk()),
        ("started", commands.Channel.Open()),
    ],
    ids=["open before start-ok", "start-ok again", "channel.open before start-ok"],
)
def test_a_method_out_of_its_order_ends_the_connection(raw, state, value):
    raw.start()
    if state == "tuned":
        raw.login()
        raw.expect(commands.Connection.Tune)
    raw.send(value, 1 if isinstance(value, commands.Channel.Open) else 0)
    answer = raw.receive()
    assert answer is None or (isinstance(answer, commands.Connection.Close) and answer.reply_code in (501, 503, 504))


def test_before_login_no_frame_may_be_larger_than_a_login_needs(raw):
    raw.start()
    raw.send_bytes(b"\x01\x00\x00" + (1 << 30).to_bytes(4, "big") + b"x" * 65536)
    answer = raw.receive()
    assert answer is None or (isinstance(answer, commands.Connection.Close) and answer.reply_code == 501)


def test_heartbeats_on_a_channel_end_the_connection(raw):
    raw.open()
    raw.open_channel()
    raw.send_bytes(frame_bytes(8, 1, b""))
    assert raw.refusal()[0] in (501, 505)


@pytest.mark.slow
def test_who_does_not_log_in_within_ten_seconds_is_disconnected(broker):
    began = time.monotonic()
    silent = [RawConnection(broker, seconds=20) for _ in range(3)]
    silent[1].send_bytes(b"AMQP")
    silent[2].send_bytes(PROTOCOL_HEADER)
    for connection in silent:
        with connection:
            connection.receive_bytes(65536)  # that is, to the end
            assert 8 < time.monotonic() - began < 15
