"""Who may do what: vhosts, users, permissions, topic permissions, limits, and policies."""

import pika
import pytest
from pamqp import commands

from harness.definitions import permission, policy, topic_permission, user
from harness.network import in_own_network
from harness.pika_tools import get, publish, refusal, wait_for_depth
from harness.raw import RawConnection, plain

DEFINITIONS = {
    "users": [
        user("reader"),
        user("writer"),
        user("maker"),
        user("lookahead"),
        user("empty"),
        user("stranger"),
        user("topical"),
        user("boss", tags=["impersonator"]),
        user("plain") | {"limits": {"max-connections": 1, "max-channels": 2}},
        {"name": "clear", "password": "clear text", "tags": ""},
        {
            "name": "old",
            "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "",
        },
    ],
    "vhosts": [{"name": "other"}, {"name": "small"}, {"name": "с пробелом"}],
    "permissions": [
        permission("reader", configure="^$", write="^$", read="^open\\."),
        permission("writer", configure="^$", write="^(open\\.|amq\\.default$)", read="^$"),
        permission("maker", configure="^open\\.", write="^open\\.", read="^open\\."),
        permission("lookahead", configure="^(?!secret)", write=".*", read=".*"),
        permission("empty", configure="", write="", read=""),
        permission("topical"),
        permission("boss"),
        permission("plain"),
        permission("clear"),
        permission("old"),
        permission("guest", vhost="other"),
        permission("guest", vhost="small"),
        permission("guest", vhost="с пробелом"),
    ],
    "topic_permissions": [topic_permission("topical", "amq.topic", write="^{username}\\.", read="^{vhost}|^public\\.")],
    "parameters": [
        {
            "component": "vhost-limits",
            "vhost": "small",
            "name": "limits",
            "value": {"max-connections": 2, "max-queues": 2},
        }
    ],
    "policies": [
        policy("short", "^policy\\.", {"max-length": 2}),
        policy("shorter", "^policy\\.strict", {"max-length": 1}, priority=10),
        policy("expiring", "^expiring\\.", {"message-ttl": 100}),
        policy("spare", "^with-spare$", {"alternate-exchange": "amq.fanout"}, apply_to="exchanges"),
    ],
    "queues": [
        {"name": "open.q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}},
        {"name": "closed.q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 5}},
    ],
    "exchanges": [
        {
            "name": "open.x",
            "vhost": "/",
            "type": "topic",
            "durable": True,
            "auto_delete": False,
            "internal": False,
            "arguments": {},
        }
    ],
    "bindings": [
        {
            "source": "open.x",
            "vhost": "/",
            "destination": "open.q",
            "destination_type": "queue",
            "routing_key": "to.#",
            "arguments": {},
        }
    ],
}


@pytest.fixture
def as_user(connect):
    """as_user("reader") is a channel of that user."""

    def open_channel(name, password=None, **more):
        return connect(credentials=pika.PlainCredentials(name, password or name), **more).channel()

    return open_channel


@pytest.fixture
def refused(broker):
    def answer(kind, resource, who):
        kind = f"{kind} " if broker.kind == "millrace" else ""  # RabbitMQ 3.10 does not tell which permission lacks
        return 403, f"ACCESS_REFUSED - {kind}access to {resource} in vhost '/' refused for user '{who}'"

    return answer


def refusal_of_open(broker, who, vhost="/"):
    with RawConnection(broker) as raw:
        raw.start()
        raw.login(response=plain(who, who))
        raw.expect(commands.Connection.Tune)
        raw.send(commands.Connection.TuneOk(2047, 131072, 0))
        raw.send(commands.Connection.Open(vhost))
        return raw.refusal()


def test_imported_queues_exchanges_and_bindings_are_there(channel):
    publish_to = "open.x"
    channel.queue_purge("open.q")
    channel.basic_publish(publish_to, "to.you", b"m")
    assert get(channel, "open.q")[2] == b"m"
    channel.queue_declare("closed.q", durable=True, arguments={"x-max-length": 5})


def test_a_password_in_clear_text_and_a_hash_of_rabbitmq_log_in(as_user, broker):
    as_user("old", "test12")
    if broker.kind == "millrace":  # RabbitMQ 3.10 wants hashes
        as_user("clear", "clear text")


def test_a_vhost_needs_a_permission(broker):
    assert refusal_of_open(broker, "stranger") == (
        530,
        "NOT_ALLOWED - access to vhost '/' refused for user 'stranger'",
    )


def test_vhosts_know_nothing_of_one_another(connect, name):
    queue = name()
    here, there = connect().channel(), connect(vhost="other").channel()
    here.queue_declare(queue)
    assert refusal(there.queue_declare, queue, passive=True) == (
        404,
        f"NOT_FOUND - no queue '{queue}' in vhost 'other'",
    )
    here.queue_delete(queue)


def test_a_vhost_may_have_any_name(connect):
    connect(vhost="с пробелом").channel().queue_declare("", exclusive=True)


@pytest.mark.parametrize(
    "who, action, kind, resource",
    [
        ("reader", lambda c: c.queue_declare("open.mine"), "configure", "queue 'open.mine'"),
        ("reader", lambda c: c.queue_delete("open.q"), "configure", "queue 'open.q'"),
        ("reader", lambda c: c.basic_get("closed.q"), "read", "queue 'closed.q'"),
        ("reader", lambda c: c.basic_consume("closed.q", print), "read", "queue 'closed.q'"),
        ("reader", lambda c: c.queue_purge("closed.q"), "read", "queue 'closed.q'"),
        ("reader", lambda c: c.queue_bind("open.q", "open.x", "k"), "write", "queue 'open.q'"),
        ("writer", lambda c: c.queue_bind("open.q", "open.x", "k"), "read", "exchange 'open.x'"),
        ("writer", lambda c: c.queue_unbind("open.q", "open.x", "k"), "read", "exchange 'open.x'"),
        ("writer", lambda c: c.basic_get("open.q"), "read", "queue 'open.q'"),
        ("writer", lambda c: c.exchange_declare("open.new", "direct"), "configure", "exchange 'open.new'"),
        ("writer", lambda c: c.exchange_delete("open.x"), "configure", "exchange 'open.x'"),
        ("reader", lambda c: c.exchange_bind("amq.direct", "open.x", "k"), "write", "exchange 'amq.direct'"),
        ("maker", lambda c: c.queue_declare("closed.mine"), "configure", "queue 'closed.mine'"),
        ("lookahead", lambda c: c.queue_declare("secret.q"), "configure", "queue 'secret.q'"),
        ("empty", lambda c: c.queue_declare("open.mine"), "configure", "queue 'open.mine'"),
    ],
)
def test_what_is_not_permitted_is_refused(as_user, refused, who, action, kind, resource):
    assert refusal(action, as_user(who)) == refused(kind, resource, who)


@pytest.mark.parametrize(
    "who, exchange, resource",
    [
        ("reader", "open.x", "exchange 'open.x'"),
        ("reader", "", "exchange 'amq.default'"),
        ("maker", "amq.topic", "exchange 'amq.topic'"),
    ],
)
def test_publishing_needs_to_be_permitted(as_user, refused, who, exchange, resource):
    def publish_and_wait():
        channel = as_user(who)
        channel.basic_publish(exchange, "k", b"")
        channel.basic_qos(prefetch_count=1)

    assert refusal(publish_and_wait) == refused("write", resource, who)


def test_what_is_permitted_is_done(as_user):
    writer = as_user("writer")
    writer.confirm_delivery()
    writer.basic_publish("", "open.q", b"m")
    assert get(as_user("reader"), "open.q")[2] == b"m"
    maker = as_user("maker")
    maker.queue_declare("open.mine")
    maker.queue_bind("open.mine", "open.x", "k")
    maker.queue_delete("open.mine")


def test_a_dead_letter_exchange_needs_to_be_writable_and_the_queue_readable(as_user, refused):
    arguments = {"x-dead-letter-exchange": "amq.fanout"}
    assert refusal(as_user("maker").queue_declare, "open.dlx", arguments=arguments) == refused(
        "write", "exchange 'amq.fanout'", "maker"
    )


def test_an_alternate_exchange_needs_to_be_writable(as_user, refused):
    arguments = {"alternate-exchange": "amq.fanout"}
    assert refusal(as_user("maker").exchange_declare, "open.ae", "direct", arguments=arguments) == refused(
        "write", "exchange 'amq.fanout'", "maker"
    )


def test_a_pattern_with_look_ahead_permits_the_rest(as_user):
    channel = as_user("lookahead")
    channel.queue_declare("public.q")
    channel.queue_delete("public.q")


def test_topics_are_permitted_by_key_with_the_users_name_in_the_pattern(as_user, refused, channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", "topical.#")
    topical = as_user("topical")
    topical.basic_publish("amq.topic", "topical.mine", b"m")
    assert get(channel, queue)[2] == b"m"

    def publish_elsewhere():
        topical.basic_publish("amq.topic", "others.key", b"m")
        topical.basic_qos(prefetch_count=1)

    assert refusal(publish_elsewhere) == refused("write", "topic 'others.key' in exchange 'amq.topic'", "topical")


def test_binding_to_a_topic_needs_it_to_be_readable(as_user, refused):
    topical = as_user("topical")
    queue = topical.queue_declare("", exclusive=True).method.queue
    topical.queue_bind(queue, "amq.topic", "public.news")
    assert refusal(topical.queue_bind, queue, "amq.topic", "private.news") == refused(
        "read", "topic 'private.news' in exchange 'amq.topic'", "topical"
    )


def test_a_topic_without_permissions_of_its_own_is_open(as_user):
    channel = as_user("topical")
    channel.basic_publish("open.x", "whatever", b"")
    channel.basic_qos(prefetch_count=1)


def test_an_impersonator_may_write_another_name_into_its_messages(as_user, channel, name):
    queue = name()
    channel.queue_declare(queue)
    publish(as_user("boss"), queue, b"m", user_id="guest")
    assert get(channel, queue)[1].user_id == "guest"
    channel.queue_delete(queue)


def test_a_users_connections_are_limited(as_user, broker):
    as_user("plain")
    assert refusal_of_open(broker, "plain") == (
        530,
        "NOT_ALLOWED - connection refused for user 'plain': user connection limit (1) is reached",
    )


def test_a_vhosts_connections_are_limited(connect, broker):
    for _ in range(2):
        connect(vhost="small")
    assert refusal_of_open(broker, "guest", "small") == (
        530,
        "NOT_ALLOWED - access to vhost 'small' refused for user 'guest': connection limit (2) is reached",
    )


def test_a_vhosts_queues_are_limited(connect):
    channel = connect(vhost="small").channel()
    for _ in range(2):
        channel.queue_declare("", exclusive=True)
    code, text = refusal(channel.queue_declare, "", exclusive=True)
    assert code == 406
    assert (
        text.startswith("PRECONDITION_FAILED - cannot declare queue '")
        and "queue limit in vhost 'small' (2) is reached" in text
    )


# -- policies --


def test_a_policy_applies_to_queues_by_name(channel):
    channel.queue_declare("policy.q")
    publish(channel, "policy.q", b"a", b"b", b"c")
    wait_for_depth(channel, "policy.q", 2)
    channel.queue_delete("policy.q")


def test_of_several_policies_the_one_of_highest_priority_applies(channel):
    channel.queue_declare("policy.strict.q")
    publish(channel, "policy.strict.q", b"a", b"b", b"c")
    wait_for_depth(channel, "policy.strict.q", 1)
    channel.queue_delete("policy.strict.q")


def test_of_a_policy_and_an_argument_the_lower_number_applies(channel):
    channel.queue_declare("policy.mine", arguments={"x-max-length": 1})
    publish(channel, "policy.mine", b"a", b"b", b"c")
    wait_for_depth(channel, "policy.mine", 1)
    channel.queue_delete("policy.mine")


def test_a_policy_can_make_messages_expire(channel):
    channel.queue_declare("expiring.q")
    publish(channel, "expiring.q", b"a")
    wait_for_depth(channel, "expiring.q", 0)
    channel.queue_delete("expiring.q")


def test_a_policy_can_give_an_exchange_its_alternate(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.fanout")
    channel.exchange_declare("with-spare", "direct")
    channel.basic_publish("with-spare", "unbound", b"m")
    assert get(channel, queue)[2] == b"m"
    channel.exchange_delete("with-spare")


# -- guest --

ELSEWHERE = "192.0.2.1"  # of the addresses that are for examples


@pytest.mark.millrace_only("about our own program's listeners")
def test_guest_is_refused_when_it_comes_from_elsewhere_and_others_are_not(own_broker):
    broker = own_broker(
        options=["--amqp", f"{ELSEWHERE}:5999"], definitions={"users": [user("reader")]}, start=False
    )

    def come_from_elsewhere():
        broker.start()
        answers = []
        for host, port, login in (
            (ELSEWHERE, 5999, plain()),
            (ELSEWHERE, 5999, plain("reader", "reader")),
            ("127.0.0.1", broker.port, plain()),
        ):
            broker.host, broker.port = host, port
            with RawConnection(broker) as raw:
                raw.start()
                raw.login("PLAIN", login)
                answer = raw.receive()
                answers.append(getattr(answer, "reply_code", None) or answer.name)
        return answers

    try:
        answers = in_own_network(ELSEWHERE, come_from_elsewhere)
    except PermissionError as error:
        pytest.skip(str(error))
    assert answers == [403, "Connection.Tune", "Connection.Tune"]
