"""What takes messages out of a queue besides consumers: time to live and length limits; and priorities."""

import pika
import pytest

from harness.pika_tools import (
    Inbox,
    confirmed,
    depth,
    drain,
    get,
    get_bodies,
    publish,
    wait_for_depth,
    wait_until,
)

# -- time to live --


def test_messages_expire_after_the_time_of_their_queue(channel, declare_queue):
    queue = declare_queue(message_ttl=200)
    publish(channel, queue, b"a", b"b")
    wait_for_depth(channel, queue, 2)
    channel.connection.sleep(0.15 + 0.2)
    wait_for_depth(channel, queue, 0)


def test_a_message_expires_after_its_own_time(channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"short", expiration="100")
    wait_for_depth(channel, queue, 0)


def test_the_shorter_time_wins(channel, declare_queue):
    queue = declare_queue(message_ttl=60000)
    publish(channel, queue, b"short", expiration="100")
    wait_for_depth(channel, queue, 0)
    queue = declare_queue(message_ttl=100)
    publish(channel, queue, b"long", expiration="60000")
    wait_for_depth(channel, queue, 0)


def test_no_time_at_all_means_now_or_never(channel, declare_queue):
    queue = declare_queue(message_ttl=0)
    publish(channel, queue, b"nobody is here")
    wait_for_depth(channel, queue, 0)
    inbox = Inbox(channel, queue)
    publish(channel, queue, b"somebody is here")
    assert inbox.wait(1) == [b"somebody is here"]


def test_what_expires_at_once_does_not_come_back_to_a_consumer(channel, declare_queue):
    queue = declare_queue(message_ttl=0)
    inbox = Inbox(channel, queue, auto_ack=False)
    publish(channel, queue, b"a")
    inbox.wait(1)
    channel.basic_reject(inbox.deliveries[0][0].delivery_tag, requeue=True)
    channel.connection.sleep(0.3)
    assert inbox.bodies == [b"a"]
    assert depth(channel, queue) == 0


def test_the_time_of_a_transaction_begins_with_its_commit(channel, declare_queue):
    queue = declare_queue(message_ttl=1000)
    channel.tx_select()
    publish(channel, queue, b"a")
    channel.connection.sleep(1.1)
    channel.tx_commit()
    assert get(channel, queue)[2] == b"a"


def test_an_expired_message_is_never_delivered(channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"expired", expiration="50")
    publish(channel, queue, b"stays")
    channel.connection.sleep(0.2)
    assert get(channel, queue)[2] == b"stays"


def test_what_is_unacknowledged_does_not_expire_until_it_comes_back(channel, declare_queue):
    queue = declare_queue(message_ttl=150)
    publish(channel, queue, b"held")
    tag = get(channel, queue, auto_ack=False)[0].delivery_tag
    channel.connection.sleep(0.4)
    channel.basic_nack(tag)
    channel.connection.sleep(0.2)
    assert depth(channel, queue) == 0


# -- length limits --


def test_the_oldest_go_when_a_queue_is_full(channel, declare_queue):
    queue = declare_queue(max_length=3)
    publish(channel, queue, *b"abcde".decode())
    wait_until(lambda: depth(channel, queue) == 3)
    assert drain(channel, queue) == [b"c", b"d", b"e"]


def test_octets_are_limited_too(channel, declare_queue):
    queue = declare_queue(max_length_bytes=10)
    publish(channel, queue, b"aaaa", b"bbbb", b"cccc")
    wait_until(lambda: depth(channel, queue) == 2)
    assert drain(channel, queue) == [b"bbbb", b"cccc"]


def test_a_message_larger_than_the_queue_may_be_is_not_kept(channel, declare_queue):
    queue = declare_queue(max_length_bytes=10)
    publish(channel, queue, b"x" * 11)
    wait_for_depth(channel, queue, 0)


def test_a_queue_of_length_zero_hands_over_and_keeps_nothing(channel, declare_queue):
    queue = declare_queue(max_length=0)
    publish(channel, queue, b"nobody is here")
    wait_for_depth(channel, queue, 0)
    inbox = Inbox(channel, queue)
    publish(channel, queue, b"somebody is here")
    assert inbox.wait(1) == [b"somebody is here"]


def test_what_is_unacknowledged_does_not_count(channel, declare_queue):
    queue = declare_queue(max_length=1)
    publish(channel, queue, b"held")
    tag = get(channel, queue, auto_ack=False)[0].delivery_tag
    publish(channel, queue, b"ready")
    wait_for_depth(channel, queue, 1)
    channel.basic_ack(tag)


def test_a_full_queue_can_refuse_instead(channel, declare_queue):
    queue = declare_queue(max_length=2, overflow="reject-publish")
    channel.confirm_delivery()
    assert [confirmed(channel, queue, body) for body in (b"a", b"b", b"c")] == [True, True, False]
    assert drain(channel, queue) == [b"a", b"b"]
    assert confirmed(channel, queue, b"d")


def test_a_publish_refused_by_one_of_its_queues_is_not_confirmed(channel, declare_queue, name):
    exchange, full, roomy = name("x"), declare_queue(max_length=1, overflow="reject-publish"), declare_queue()
    channel.exchange_declare(exchange, "fanout")
    for queue in (full, roomy):
        channel.queue_bind(queue, exchange)
    channel.confirm_delivery()
    channel.basic_publish(exchange, "", b"a")
    with pytest.raises(pika.exceptions.NackError):
        channel.basic_publish(exchange, "", b"b")
    assert (depth(channel, full), depth(channel, roomy)) == (1, 2)
    channel.exchange_delete(exchange)


def test_a_refused_publish_can_be_dead_lettered(channel, declare_queue):
    dead = declare_queue()
    queue = declare_queue(
        max_length=1, overflow="reject-publish-dlx", dead_letter_exchange="", dead_letter_routing_key=dead
    )
    channel.confirm_delivery()
    assert confirmed(channel, queue, b"a")
    assert not confirmed(channel, queue, b"b")
    assert get_bodies(channel, dead, 1) == [b"b"]
    assert depth(channel, queue) == 1


# -- priorities --


def test_higher_priorities_come_first_and_equal_ones_in_order(channel, declare_queue):
    queue = declare_queue(max_priority=10)
    for body, priority in (("low 1", 1), ("high 1", 9), ("none", None), ("low 2", 1), ("high 2", 9)):
        publish(channel, queue, body, priority=priority)
    wait_for_depth(channel, queue, 5)
    assert drain(channel, queue) == [b"high 1", b"high 2", b"low 1", b"low 2", b"none"]


def test_a_priority_above_the_highest_counts_as_the_highest(channel, declare_queue):
    queue = declare_queue(max_priority=5)
    publish(channel, queue, b"first", priority=5)
    publish(channel, queue, b"second", priority=200)
    wait_for_depth(channel, queue, 2)
    assert drain(channel, queue) == [b"first", b"second"]


def test_there_may_be_255_priorities(channel, declare_queue):
    queue = declare_queue(max_priority=255)
    for priority in (0, 128, 255, 254):
        publish(channel, queue, str(priority), priority=priority)
    wait_for_depth(channel, queue, 4)
    assert drain(channel, queue) == [b"255", b"254", b"128", b"0"]


def test_a_queue_without_priorities_keeps_the_order(channel, declare_queue):
    queue = declare_queue()
    publish(channel, queue, b"a", priority=1)
    publish(channel, queue, b"b", priority=9)
    assert get_bodies(channel, queue, 2) == [b"a", b"b"]


def test_a_full_priority_queue_drops_its_head_as_any_other_does(channel, declare_queue):
    queue = declare_queue(max_priority=5, max_length=2)
    publish(channel, queue, b"low", priority=1)
    publish(channel, queue, b"high", priority=5)
    publish(channel, queue, b"middle", priority=3)
    wait_until(lambda: depth(channel, queue) == 2)
    assert drain(channel, queue) == [b"middle", b"low"]
