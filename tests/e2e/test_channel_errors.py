"""Each mistake on a channel has its reply code and its text; clients compare both."""

import struct

import pika
import pytest
from pamqp import body, commands, header

from harness.pika_tools import Inbox, refusal, refusal_of_publish
from harness.raw import RawConnection, frame_bytes


@pytest.fixture
def raw(broker):
    with RawConnection(broker) as connection:
        yield connection.open().open_channel()


def ignore(*_):
    pass


def test_a_second_channel_open_is_a_channel_error(raw):
    raw.send(commands.Channel.Open(), 1)
    assert raw.refusal() == (504, "CHANNEL_ERROR - second 'channel.open' seen")


def test_a_method_on_a_channel_that_is_not_open_is_a_channel_error(raw):
    raw.send(commands.Basic.Qos(0, 1), 2)
    assert raw.refusal() == (504, "CHANNEL_ERROR - expected 'channel.open'")


def test_more_channels_than_negotiated_are_refused(broker):
    with RawConnection(broker) as raw:
        raw.open(channel_max=2)
        raw.open_channel(1)
        raw.open_channel(2)
        raw.send(commands.Channel.Open(), 3)
        code, text = raw.refusal()
        assert code == 530
        assert text == "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)"


def test_stopping_the_flow_is_not_implemented_and_starting_it_is_confirmed(raw):
    assert raw.ask(commands.Channel.Flow(True), commands.Channel.FlowOk, 1).active is True
    raw.send(commands.Channel.Flow(False), 1)
    assert raw.refusal() == (540, "NOT_IMPLEMENTED - active=false")


def test_immediate_is_not_implemented(raw):
    raw.send(commands.Basic.Publish(exchange="", routing_key="q", immediate=True), 1)
    raw.send(header.ContentHeader(body_size=0), 1)
    assert raw.refusal() == (540, "NOT_IMPLEMENTED - immediate=true")


def test_a_prefetch_in_octets_is_not_implemented(channel):
    assert refusal(channel.basic_qos, prefetch_size=5) == (540, "NOT_IMPLEMENTED - prefetch_size!=0 (5)")


def test_recover_without_requeue_is_not_implemented(raw):
    raw.send(commands.Basic.Recover(False), 1)
    assert raw.refusal() == (540, "NOT_IMPLEMENTED - requeue=false")


def test_access_request_is_still_answered_for_old_clients(raw):
    raw.send_bytes(frame_bytes(1, 1, struct.pack(">HH", 30, 10) + b"\x05/data\x1f"))
    head = raw.receive_bytes(7)
    assert raw.receive_bytes(7) == struct.pack(">HHH", 30, 11, 1) + b"\xce" and head[0] == 1


def test_an_unknown_delivery_tag_is_refused(connect):
    for settle in ("basic_ack", "basic_nack", "basic_reject"):
        channel = connect().channel()

        def act():
            getattr(channel, settle)(99)
            channel.queue_declare("", exclusive=True)

        assert refusal(act) == (406, "PRECONDITION_FAILED - unknown delivery tag 99")


def test_acknowledging_everything_is_fine_when_there_is_nothing(channel):
    channel.basic_ack(0, multiple=True)
    channel.queue_declare("", exclusive=True)


def test_a_delivery_acknowledged_twice_is_unknown_the_second_time(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"m")
    tag = channel.basic_get(queue)[0].delivery_tag
    channel.basic_ack(tag)

    def again():
        channel.basic_ack(tag)
        channel.queue_declare("", exclusive=True)

    assert refusal(again) == (406, f"PRECONDITION_FAILED - unknown delivery tag {tag}")


def test_a_consumer_tag_used_twice_ends_the_connection(raw):
    raw.ask(commands.Queue.Declare(queue="", exclusive=True), commands.Queue.DeclareOk, 1)
    raw.ask(commands.Basic.Consume(queue="", consumer_tag="ctag"), commands.Basic.ConsumeOk, 1)
    raw.send(commands.Basic.Consume(queue="", consumer_tag="ctag"), 1)
    assert raw.refusal() == (530, "NOT_ALLOWED - attempt to reuse consumer tag 'ctag'")


@pytest.mark.parametrize(
    "action",
    [
        commands.Basic.Consume(queue=""),
        commands.Basic.Get(queue=""),
        commands.Queue.Purge(queue=""),
        commands.Queue.Bind(queue="", exchange="amq.direct", routing_key="k"),
    ],
    ids=lambda action: action.name,
)
def test_an_empty_name_needs_a_queue_declared_before(raw, action):
    raw.send(action, 1)
    assert raw.refusal() == (404, "NOT_FOUND - no previously declared queue")


def test_an_empty_name_means_the_queue_declared_last(raw):
    name = raw.ask(commands.Queue.Declare(queue="", exclusive=True), commands.Queue.DeclareOk, 1).queue
    raw.ask(commands.Queue.Bind(queue="", exchange="amq.direct", routing_key=""), commands.Queue.BindOk, 1)
    raw.send(commands.Basic.Publish(exchange="amq.direct", routing_key=name), 1)
    raw.send(header.ContentHeader(body_size=1), 1)
    raw.send(body.ContentBody(b"m"), 1)
    raw.ask(commands.Basic.Get(queue="", no_ack=True), commands.Basic.GetOk, 1)


@pytest.mark.parametrize(
    "action",
    [
        lambda channel: channel.queue_declare("missing", passive=True),
        lambda channel: channel.queue_bind("missing", "amq.direct", "k"),
        lambda channel: channel.queue_purge("missing"),
        lambda channel: channel.basic_get("missing"),
        lambda channel: channel.basic_consume("missing", ignore),
    ],
    ids=["passive declare", "bind", "purge", "get", "consume"],
)
def test_a_missing_queue_is_not_found(channel, action):
    assert refusal(action, channel) == (404, "NOT_FOUND - no queue 'missing' in vhost '/'")


@pytest.mark.parametrize(
    "action",
    [
        lambda channel: channel.exchange_declare("missing", passive=True),
        lambda channel: channel.exchange_bind("amq.direct", "missing", "k"),
        lambda channel: channel.exchange_bind("missing", "amq.direct", "k"),
    ],
    ids=["passive declare", "as source", "as destination"],
)
def test_a_missing_exchange_is_not_found(channel, action):
    assert refusal(action, channel) == (404, "NOT_FOUND - no exchange 'missing' in vhost '/'")


def test_publishing_to_a_missing_exchange_closes_the_channel(channel):
    assert refusal_of_publish(channel, "missing", "k", b"") == (404, "NOT_FOUND - no exchange 'missing' in vhost '/'")


def test_what_follows_a_mistake_on_a_channel_is_swallowed_until_its_close_is_confirmed(raw):
    raw.send(commands.Queue.Declare(queue="missing", passive=True), 1)
    raw.send(commands.Queue.Declare(queue="", exclusive=True), 1)
    raw.send(commands.Basic.Qos(0, 1), 1)
    assert raw.refusal()[0] == 404
    raw.send(commands.Channel.CloseOk(), 1)
    raw.open_channel(1)


def test_other_channels_live_on_when_one_is_closed(connect):
    connection = connect()
    broken, sound = connection.channel(), connection.channel()
    refusal(broken.queue_declare, "missing", passive=True)
    sound.queue_declare("", exclusive=True)


def test_a_close_tells_the_method_that_failed(raw):
    raw.send(commands.Queue.Declare(queue="missing", passive=True), 1)
    close = raw.expect(commands.Channel.Close)
    assert (close.class_id, close.method_id) == (50, 10)


def test_a_text_too_long_for_the_frame_is_cut(raw):
    raw.send(commands.Queue.Declare(queue="m" * 255, passive=True), 1)
    code, text = raw.refusal()
    assert code == 404
    assert text.startswith("NOT_FOUND - no queue 'mmmm") and len(text) <= 255


@pytest.mark.parametrize("name", ["amq.mine", "amq."])
def test_reserved_names_cannot_be_declared(channel, name):
    assert refusal(channel.queue_declare, name) == (
        403,
        f"ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'",
    )


def test_reserved_exchange_names_cannot_be_declared(channel):
    assert refusal(channel.exchange_declare, "amq.mine", "direct") == (
        403,
        "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
    )


@pytest.mark.parametrize(
    "action",
    [
        lambda channel, queue: channel.queue_bind(queue, "", "k"),
        lambda channel, queue: channel.queue_unbind(queue, "", "k"),
        lambda channel, _: channel.exchange_bind("amq.direct", "", "k"),
        lambda channel, _: channel.exchange_bind("", "amq.direct", "k"),
        lambda channel, _: channel.exchange_declare("", "direct"),
        lambda channel, _: channel.exchange_delete(""),
    ],
    ids=["bind", "unbind", "as source", "as destination", "declare", "delete"],
)
def test_the_default_exchange_is_not_to_be_touched(channel, action):
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert refusal(action, channel, queue) == (403, "ACCESS_REFUSED - operation not permitted on the default exchange")


def test_predeclared_exchanges_cannot_be_deleted(channel):
    assert refusal(channel.exchange_delete, "amq.direct") == (
        403,
        "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
    )


@pytest.mark.differs_from_310("answers 503 and ends the connection")
def test_an_unknown_exchange_type_is_refused(channel, name):
    code, text = refusal(channel.exchange_declare, name(), "telepathic")
    assert (code, text) == (406, "PRECONDITION_FAILED - unknown exchange type 'telepathic'")


@pytest.mark.parametrize("expiration", ["soon", "-1", "1.5", "", "99999999999999"])
def test_an_expiration_that_is_no_number_is_refused(channel, expiration):
    code, text = refusal_of_publish(channel, "", "q", b"", pika.BasicProperties(expiration=expiration))
    assert code == 406
    assert text.startswith(f"PRECONDITION_FAILED - invalid expiration '{expiration}'")


def test_a_user_id_must_be_ones_own(channel):
    code, text = refusal_of_publish(channel, "", "q", b"", pika.BasicProperties(user_id="somebody"))
    assert (code, text) == (
        406,
        "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'",
    )
    assert channel.is_closed


def test_ones_own_user_id_is_fine(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"", pika.BasicProperties(user_id="guest"))
    assert channel.basic_get(queue)[1].user_id == "guest"


@pytest.mark.parametrize("value", ["a string", 1], ids=["string", "number"])
def test_copies_must_be_addressed_by_an_array_of_strings(channel, value):
    code, text = refusal_of_publish(channel, "", "q", b"", pika.BasicProperties(headers={"CC": value}))
    assert code == 406
    assert text.startswith("PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,")


def test_confirm_and_transaction_exclude_one_another(connect):
    channel = connect().channel()
    channel.confirm_delivery()
    assert refusal(channel.tx_select) == (406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode")
    channel = connect().channel()
    channel.tx_select()
    assert refusal(channel.confirm_delivery) == (406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode")


@pytest.mark.parametrize("action", [commands.Tx.Commit(), commands.Tx.Rollback()], ids=lambda action: action.name)
def test_a_transaction_must_be_selected_first(raw, action):
    raw.send(action, 1)
    assert raw.refusal() == (406, "PRECONDITION_FAILED - channel is not transactional")


def test_an_exclusive_consumer_is_alone(connect, name):
    queue = name()
    first, second = connect().channel(), connect().channel()
    first.queue_declare(queue)
    Inbox(first, queue, exclusive=True)
    expected = (403, f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use")
    assert refusal(second.basic_consume, queue, ignore) == expected
    second = connect().channel()
    assert refusal(second.basic_consume, queue, ignore, exclusive=True) == expected
    first.queue_delete(queue)


def test_nobody_else_can_use_an_exclusive_queue(connect, name):
    queue = name()
    connect().channel().queue_declare(queue, exclusive=True)
    text = (
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. It could be"
        " originally declared on another connection or the exclusive property value does not match that of the"
        " original declaration."
    )
    for action in (
        lambda channel: channel.queue_declare(queue, passive=True),
        lambda channel: channel.queue_declare(queue),
        lambda channel: channel.basic_consume(queue, ignore),
        lambda channel: channel.basic_get(queue),
        lambda channel: channel.queue_purge(queue),
        lambda channel: channel.queue_bind(queue, "amq.direct", "k"),
        lambda channel: channel.queue_delete(queue),
    ):
        code, told = refusal(action, connect().channel())
        assert code == 405
        assert told == (text if len(text) <= 255 else text[:252] + "...")
