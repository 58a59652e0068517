"""Who gets which message, and when: consuming, getting, settling, prefetch, priorities."""

import pika
import pytest
from pamqp import commands

from harness.pika_tools import PERSISTENT, Inbox, depth, drain, get, refusal, wait_for_depth, wait_until
from harness.raw import RawConnection


@pytest.fixture
def queue(declare_queue):
    return declare_queue()


def fill(channel, queue, count):
    for number in range(count):
        channel.basic_publish("", queue, str(number))
    wait_for_depth(channel, queue, count)


def bodies(first, last):
    return [str(number).encode() for number in range(first, last)]


# -- get --


def test_get_tells_how_many_messages_remain(channel, queue):
    fill(channel, queue, 3)
    method, _, body = channel.basic_get(queue, auto_ack=True)
    assert (method.message_count, method.redelivered, body) == (2, False, b"0")
    assert (method.exchange, method.routing_key) == ("", queue)


def test_a_persistent_message_is_there_for_the_get_that_follows_its_publish(channel, queue):
    for number in range(20):
        channel.basic_publish("", queue, str(number), PERSISTENT)
        assert channel.basic_get(queue, auto_ack=True)[2] == str(number).encode()


def test_get_from_an_empty_queue_says_so(channel, queue):
    assert channel.basic_get(queue) == (None, None, None)


def test_a_message_that_was_got_and_not_acknowledged_comes_back_when_the_channel_closes(connect, channel, queue):
    fill(channel, queue, 1)
    other = connect().channel()
    other.basic_get(queue)
    assert channel.basic_get(queue)[0] is None
    other.close()
    method, _, body = get(channel, queue)
    assert (method.redelivered, body) == (True, b"0")


# -- settle --


def test_ack_of_several_takes_all_up_to_the_tag(channel, queue):
    fill(channel, queue, 5)
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(4)]
    channel.basic_ack(tags[2], multiple=True)
    channel.basic_nack(tags[3])
    wait_for_depth(channel, queue, 2)
    assert drain(channel, queue) == bodies(3, 5)


def test_nack_of_several_returns_them_to_where_they_were(channel, queue):
    fill(channel, queue, 5)
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(3)]
    channel.basic_nack(tags[-1], multiple=True)
    wait_for_depth(channel, queue, 5)
    assert drain(channel, queue) == bodies(0, 5)


def test_nack_zero_of_several_means_all(channel, queue):
    fill(channel, queue, 4)
    for _ in range(4):
        channel.basic_get(queue)
    channel.basic_nack(0, multiple=True)
    wait_for_depth(channel, queue, 4)


@pytest.mark.parametrize("settle", ["basic_reject", "basic_nack"])
def test_a_message_refused_without_requeue_is_gone(connect, channel, queue, settle):
    fill(channel, queue, 1)
    getattr(channel, settle)(channel.basic_get(queue)[0].delivery_tag, requeue=False)
    channel.close()
    assert depth(connect().channel(), queue) == 0


@pytest.mark.parametrize("settle", ["basic_reject", "basic_nack"])
def test_a_message_refused_with_requeue_is_marked_as_redelivered(channel, queue, settle):
    fill(channel, queue, 1)
    getattr(channel, settle)(channel.basic_get(queue)[0].delivery_tag, requeue=True)
    assert get(channel, queue)[0].redelivered


def test_recover_redelivers_what_is_unacknowledged(channel, queue):
    fill(channel, queue, 3)
    inbox = Inbox(channel, queue, auto_ack=False)
    inbox.wait(3)
    channel.basic_recover(requeue=True)
    assert inbox.wait(6) == bodies(0, 3) * 2
    assert [method.redelivered for method, _, _ in inbox.deliveries] == [False] * 3 + [True] * 3


def test_delivery_tags_count_from_one_on_each_channel(connect, channel, queue):
    fill(channel, queue, 4)
    one, two = connect().channel(), connect().channel()
    assert [one.basic_get(queue)[0].delivery_tag for _ in range(2)] == [1, 2]
    assert [two.basic_get(queue)[0].delivery_tag for _ in range(2)] == [1, 2]


# -- consume --


def test_consumer_tags_are_made_up_by_the_server_where_none_is_given(broker, queue):
    with RawConnection(broker) as raw:
        raw.open().open_channel()
        tag = raw.ask(commands.Basic.Consume(queue=queue), commands.Basic.ConsumeOk, 1).consumer_tag
        assert tag.startswith("amq.ctag-")


def test_consumers_take_turns(connect, channel, queue):
    inboxes = [Inbox(connect().channel(), queue) for _ in range(3)]
    for number in range(9):
        channel.basic_publish("", queue, str(number))
    for inbox in inboxes:
        assert len(inbox.wait(3)) == 3


def test_cancel_keeps_what_is_unacknowledged_and_requeues_nothing(channel, queue):
    fill(channel, queue, 2)
    inbox = Inbox(channel, queue, auto_ack=False)
    inbox.wait(2)
    channel.basic_cancel(inbox.tag)
    assert depth(channel, queue) == 0
    channel.basic_ack(inbox.deliveries[0][0].delivery_tag)
    channel.basic_nack(inbox.deliveries[1][0].delivery_tag)
    wait_for_depth(channel, queue, 1)


def test_a_consumer_is_told_when_its_queue_is_deleted(connect, channel, name):
    queue = name("deleted")
    channel.queue_declare(queue)
    consumer = connect().channel()
    cancelled = []
    consumer.add_on_cancel_callback(cancelled.append)
    tag = Inbox(consumer, queue).tag
    channel.queue_delete(queue)
    wait_until(lambda: consumer.connection.process_data_events() or cancelled)
    assert cancelled[0].method.consumer_tag == tag


def test_who_deletes_a_queue_is_answered_before_its_own_consumer_is_told(broker, name):
    """amqplib's programs end at the cancellation: the answer that they wait for has to be there."""
    with RawConnection(broker) as raw:
        raw.open().open_channel()
        for number in range(20):  # on all shards
            queue = name(f"deleted-{number}")
            raw.ask(commands.Queue.Declare(queue=queue), commands.Queue.DeclareOk, 1)
            raw.ask(commands.Basic.Consume(queue=queue, consumer_tag=queue), commands.Basic.ConsumeOk, 1)
            raw.ask(commands.Queue.Delete(queue=queue), commands.Queue.DeleteOk, 1)
            assert raw.expect(commands.Basic.Cancel).consumer_tag == queue


def test_a_client_without_that_capability_is_not_told(broker, channel, name):
    queue = name("deleted")
    channel.queue_declare(queue)
    with RawConnection(broker) as raw:
        raw.start()
        raw.login(capabilities={})
        raw.expect(commands.Connection.Tune)
        raw.send(commands.Connection.TuneOk(2047, 131072, 0))
        raw.ask(commands.Connection.Open("/"), commands.Connection.OpenOk)
        raw.open_channel()
        raw.ask(commands.Basic.Consume(queue=queue), commands.Basic.ConsumeOk, 1)
        channel.queue_delete(queue)
        raw.ask(commands.Basic.Qos(0, 1), commands.Basic.QosOk, 1)


def test_messages_published_by_a_connection_do_not_reach_it_unless_asked(channel, queue):
    inbox = Inbox(channel, queue)  # no_local is not supported by RabbitMQ; the client's own messages do come
    channel.basic_publish("", queue, b"mine")
    assert inbox.wait(1) == [b"mine"]


# -- prefetch --


def test_prefetch_bounds_what_each_new_consumer_holds(channel, queue):
    fill(channel, queue, 10)
    channel.basic_qos(prefetch_count=2)
    first, second = Inbox(channel, queue, auto_ack=False), Inbox(channel, queue, auto_ack=False)
    assert len(first.settle()) == 2
    assert len(second.settle()) == 2
    channel.basic_ack(first.deliveries[0][0].delivery_tag)
    assert len(first.settle()) == 3
    assert len(second.bodies) == 2


def test_prefetch_leaves_running_consumers_as_they_are(channel, queue):
    fill(channel, queue, 10)
    channel.basic_qos(prefetch_count=1)
    inbox = Inbox(channel, queue, auto_ack=False)
    channel.basic_qos(prefetch_count=5)
    assert len(inbox.settle()) == 1


def test_global_prefetch_bounds_the_channel(channel, queue):
    fill(channel, queue, 10)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    first, second = Inbox(channel, queue, auto_ack=False), Inbox(channel, queue, auto_ack=False)
    first.settle()
    assert len(first.bodies + second.bodies) == 3
    channel.basic_qos(prefetch_count=4, global_qos=True)
    first.settle()
    assert len(first.bodies + second.bodies) == 4


def test_both_prefetches_hold_together(channel, queue):
    fill(channel, queue, 10)
    channel.basic_qos(prefetch_count=2)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    first, second = Inbox(channel, queue, auto_ack=False), Inbox(channel, queue, auto_ack=False)
    first.settle()
    assert len(first.bodies + second.bodies) == 3
    assert max(len(first.bodies), len(second.bodies)) == 2


def test_prefetch_does_not_bound_automatic_acknowledgement(channel, queue):
    fill(channel, queue, 10)
    channel.basic_qos(prefetch_count=1)
    assert len(Inbox(channel, queue).wait(10)) == 10


def test_a_message_acknowledged_by_several_frees_prefetch_for_as_many(channel, queue):
    fill(channel, queue, 6)
    channel.basic_qos(prefetch_count=3)
    inbox = Inbox(channel, queue, auto_ack=False)
    inbox.settle()
    channel.basic_ack(inbox.deliveries[-1][0].delivery_tag, multiple=True)
    assert inbox.wait(6) == bodies(0, 6)


# -- consumer priorities --


def test_the_consumer_of_highest_priority_comes_first_while_it_can_take_more(connect, channel, queue):
    low, high = connect().channel(), connect().channel()
    for consumer in (low, high):
        consumer.basic_qos(prefetch_count=2)
    low = Inbox(low, queue, auto_ack=False, arguments={"x-priority": -1})
    high = Inbox(high, queue, auto_ack=False, arguments={"x-priority": 10})
    for number in range(3):
        channel.basic_publish("", queue, str(number))
    assert high.wait(2) == [b"0", b"1"]
    assert low.wait(1) == [b"2"]


def test_a_consumer_priority_must_be_a_number(channel, queue, connect):
    code, _ = refusal(connect().channel().basic_consume, queue, print, arguments={"x-priority": "high"})
    assert code == 406


# -- single active consumer --


def test_a_single_active_consumer_is_followed_by_the_next(connect, channel, name):
    queue = name("sac")
    channel.queue_declare(queue, arguments={"x-single-active-consumer": True})
    first, second = Inbox(connect().channel(), queue), Inbox(connect().channel(), queue)
    for number in range(4):
        channel.basic_publish("", queue, str(number))
    assert first.wait(4) == bodies(0, 4)
    assert second.settle() == []
    first.channel.basic_cancel(first.tag)
    channel.basic_publish("", queue, b"4")
    assert second.wait(1) == [b"4"]
    channel.queue_delete(queue)


def test_a_single_active_queue_has_no_exclusive_consumer(channel, connect, name):
    queue = name("sac")
    channel.queue_declare(queue, arguments={"x-single-active-consumer": True})
    code, _ = refusal(connect().channel().basic_consume, queue, print, exclusive=True)
    assert code == 403
    channel.queue_delete(queue)


def test_what_a_lost_consumer_held_goes_to_the_next_in_order(connect, channel, name):
    queue = name("sac")
    channel.queue_declare(queue, arguments={"x-single-active-consumer": True})
    active = connect()
    first, second = Inbox(active.channel(), queue, auto_ack=False), Inbox(connect().channel(), queue)
    for number in range(3):
        channel.basic_publish("", queue, str(number))
    first.wait(3)
    active.close()
    assert second.wait(3) == bodies(0, 3)
    assert all(method.redelivered for method, _, _ in second.deliveries)
    channel.queue_delete(queue)


# -- direct reply-to --

REPLY_TO = "amq.rabbitmq.reply-to"


def test_replies_come_straight_to_the_one_who_asked(connect, channel, queue):
    client = connect().channel()
    inbox = Inbox(client, REPLY_TO)
    client.basic_publish("", queue, b"question", pika.BasicProperties(reply_to=REPLY_TO, correlation_id="7"))
    _, properties, body = get(channel, queue)
    assert body == b"question"
    assert properties.reply_to.startswith(REPLY_TO + ".")
    answer = pika.BasicProperties(correlation_id=properties.correlation_id)
    channel.basic_publish("", properties.reply_to, b"answer", answer, mandatory=True)
    assert inbox.wait(1) == [b"answer"]
    assert inbox.deliveries[0][1].correlation_id == "7"


def test_whether_the_one_who_asked_is_still_there_can_be_asked(connect, channel, queue):
    client = connect()
    asking = client.channel()
    Inbox(asking, REPLY_TO)
    asking.basic_publish("", queue, b"", pika.BasicProperties(reply_to=REPLY_TO))
    address = get(channel, queue)[1].reply_to
    told = channel.queue_declare(address, passive=True).method
    assert (told.message_count, told.consumer_count) == (0, 1)
    client.close()
    assert refusal(connect().channel().queue_declare, address, passive=True)[0] == 404


def test_replies_cannot_be_acknowledged(channel):
    code, text = refusal(channel.basic_consume, REPLY_TO, print, auto_ack=False)
    assert (code, text) == (406, "PRECONDITION_FAILED - reply consumer cannot acknowledge")


def test_one_reply_consumer_a_channel(channel):
    Inbox(channel, REPLY_TO)
    assert refusal(channel.basic_consume, REPLY_TO, print, auto_ack=True) == (
        406,
        "PRECONDITION_FAILED - reply consumer already set",
    )


def test_asking_for_replies_needs_a_reply_consumer(channel, queue, connect):
    def ask():
        asking = connect().channel()
        asking.basic_publish("", queue, b"", pika.BasicProperties(reply_to=REPLY_TO))
        asking.queue_declare("", exclusive=True)

    assert refusal(ask) == (406, "PRECONDITION_FAILED - fast reply consumer does not exist")
