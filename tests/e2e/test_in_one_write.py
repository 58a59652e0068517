"""Requests that arrive together: each finds the queue as the ones before it have left it, though the broker looks at them
in one go."""

import pytest
from pamqp import body, commands, frame, header

from harness.raw import RawConnection


@pytest.fixture
def raw(broker):
    with RawConnection(broker) as connection:
        yield connection.open().open_channel()


def message(queue, content, **properties):
    yield commands.Basic.Publish(routing_key=queue)
    yield header.ContentHeader(body_size=len(content), properties=commands.Basic.Properties(**properties))
    yield body.ContentBody(content)


def send(raw, *values):
    raw.send_bytes(b"".join(frame.marshal(value, 1) for value in values))


def answers(raw, *kinds):
    """Everything up to one frame of each of the kinds, in their order; contents of messages are their bodies."""
    received = []
    for kind in kinds:
        while not isinstance(value := raw.receive(), kind):
            if not isinstance(value, header.ContentHeader):
                received.append(value.value if isinstance(value, body.ContentBody) else value.name)
        received.append(value.name)
    return received


def declare(raw, queue, **arguments):
    arguments = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    raw.ask(
        commands.Queue.Declare(queue=queue, exclusive=True, arguments=arguments), commands.Queue.DeclareOk, 1
    )


def get(queue):
    return commands.Basic.Get(queue=queue, no_ack=True)


@pytest.mark.parametrize("arguments", [{"max_length": 0}, {"message_ttl": 0}])
def test_a_get_does_not_find_what_the_queue_does_not_keep(raw, name, arguments):
    queue = name()
    declare(raw, queue, **arguments)
    send(raw, *message(queue, b"a"), get(queue))
    assert answers(raw, commands.Basic.GetEmpty) == ["Basic.GetEmpty"]


def test_a_get_finds_what_is_left_of_a_full_queue(raw, name):
    queue = name()
    declare(raw, queue, max_length=1)
    send(raw, *message(queue, b"a"), *message(queue, b"b"), get(queue), get(queue))
    assert answers(raw, commands.Basic.GetOk, commands.Basic.GetEmpty) == ["Basic.GetOk", b"b", "Basic.GetEmpty"]


def test_a_consumer_comes_before_a_get_that_was_asked_for_later(raw, name):
    queue = name()
    declare(raw, queue)
    raw.ask(commands.Basic.Consume(queue=queue, no_ack=True), commands.Basic.ConsumeOk, 1)
    send(raw, *message(queue, b"a"), get(queue))
    assert sorted(answers(raw, commands.Basic.GetEmpty) + list(rest(raw)), key=str) == sorted(
        ["Basic.Deliver", b"a", "Basic.GetEmpty"], key=str
    )


def rest(raw):
    """What else has come: up to the answer of another request."""
    raw.send(commands.Basic.Qos(prefetch_count=10), 1)
    return answers(raw, commands.Basic.QosOk)[:-1]


def test_a_consumer_gets_what_was_published_before_it_is_cancelled(raw, name):
    queue = name()
    declare(raw, queue)
    raw.ask(commands.Basic.Consume(queue=queue, consumer_tag="c", no_ack=True), commands.Basic.ConsumeOk, 1)
    send(raw, *message(queue, b"a"), commands.Basic.Cancel("c"))
    assert answers(raw, commands.Basic.CancelOk) == ["Basic.Deliver", b"a", "Basic.CancelOk"]


def test_a_later_consumer_of_higher_priority_does_not_get_what_came_before_it(raw, name):
    queue = name()
    declare(raw, queue)
    raw.ask(commands.Basic.Consume(queue=queue, consumer_tag="first", no_ack=True), commands.Basic.ConsumeOk, 1)
    later = commands.Basic.Consume(queue=queue, consumer_tag="later", no_ack=True, arguments={"x-priority": 9})
    send(raw, *message(queue, b"a"), later)
    taker = raw.receive()
    if isinstance(taker, commands.Basic.ConsumeOk):
        taker = raw.receive()
    assert taker.consumer_tag == "first"


@pytest.mark.parametrize(
    "request_", [lambda q: commands.Queue.Purge(queue=q), lambda q: commands.Queue.Delete(queue=q)]
)
def test_what_a_consumer_has_is_not_counted(raw, name, request_):
    queue = name()
    declare(raw, queue)
    raw.ask(commands.Basic.Consume(queue=queue, no_ack=True), commands.Basic.ConsumeOk, 1)
    send(raw, *message(queue, b"a"), request_(queue))
    while not hasattr(answer := raw.receive(), "message_count"):
        pass
    assert answer.message_count == 0


@pytest.mark.millrace_only("RabbitMQ counts what there was a moment ago")
def test_a_passive_declaration_counts_what_is_left(raw, name):
    queue = name()
    declare(raw, queue, max_length=2)
    send(raw, *(part for n in range(5) for part in message(queue, b"%d" % n)), commands.Queue.Declare(queue=queue, passive=True))
    assert raw.expect(commands.Queue.DeclareOk).message_count == 2
