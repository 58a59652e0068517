"""The task system of libmillrace together with Celery's workers and producers."""

import json
import threading
import time

import celery
import celery.events.state
import pytest

from harness.pika_tools import get
from harness.tasks import (
    app,
    celerys_worker,
    channel,
    dead_letters,
    drive,
    needs_driver,
    process,
    queue,
    wait_until,
    worker,
)

pytestmark = needs_driver


def test_a_celery_producer_drives_this_worker(worker, app):
    worker(threads=4)
    assert app.send_task("tasks.add", (2, 3)).get(timeout=20) == 5
    assert app.send_task("tasks.add", kwargs={"x": 2, "y": 4}).get(timeout=20) == 6
    results = [app.send_task("tasks.add", (number, number)) for number in range(100)]
    assert [one.get(timeout=30) for one in results] == [2 * number for number in range(100)]


def test_a_celery_producer_sees_retries_failures_and_times(worker, app):
    worker()
    assert app.send_task("tasks.fail_twice").get(timeout=20) == 2
    with pytest.raises(ValueError, match="boom"):
        app.send_task("tasks.raise", ("boom",)).get(timeout=20)
    began = time.monotonic()
    assert app.send_task("tasks.add", (1, 1), countdown=1).get(timeout=20) == 2
    assert time.monotonic() - began > 0.9
    with pytest.raises(celery.exceptions.TaskRevokedError):
        app.send_task("tasks.add", (1, 1), countdown=3, expires=2).get(timeout=20)


def test_a_call_keeps_the_headers_of_its_sender_when_it_is_tried_again(worker, app, channel, queue):
    worker()
    app.send_task("tasks.raise", ("boom",), headers={"x-key": "tenant", "traceparent": "00-1-2-01"})
    [(headers, _)] = dead_letters(channel, queue)
    assert headers["retries"] == 1
    assert (headers["x-key"], headers["traceparent"]) == ("tenant", "00-1-2-01")


def test_celerys_chains_groups_and_callbacks_work_here(worker, app):
    worker()
    add = app.signature("tasks.add", (1, 2))
    chain = celery.chain(add, app.signature("tasks.add", (10,)), app.signature("tasks.add", (100,)))
    assert chain.apply_async().get(timeout=20) == 113
    group = celery.group(app.signature("tasks.add", (number, 1)) for number in range(5))
    assert group.apply_async().get(timeout=20) == [1, 2, 3, 4, 5]
    linked = app.signature("tasks.add", (5,)).set(task_id="linked-1")
    result = add.apply_async(link=linked)
    assert result.get(timeout=20) == 3
    assert app.AsyncResult("linked-1").get(timeout=20) == 8


def test_celerys_revoke_stops_a_running_task(worker, app):
    worker()
    result = app.send_task("tasks.rest", (30,))
    wait_until(lambda: result.state == "STARTED")
    app.control.revoke(result.id, terminate=True)
    with pytest.raises(celery.exceptions.TaskRevokedError):
        result.get(timeout=20)


def test_the_worker_answers_celerys_remote_control(worker, app):
    one = worker(name="cpp")
    [answer] = app.control.ping(timeout=2, destination=[one.name])
    assert answer == {one.name: {"ok": "pong"}}
    result = app.send_task("tasks.rest", (3,))
    wait_until(lambda: result.state == "STARTED")
    inspect = app.control.inspect([one.name], timeout=2)
    [active] = inspect.active()[one.name]
    assert (active["id"], active["name"], active["args"]) == (result.id, "tasks.rest", [3])
    assert inspect.query_task(result.id)[one.name][result.id][0] == "active"
    assert "tasks.add" in inspect.registered()[one.name]
    assert inspect.stats()[one.name]["total"]["tasks.rest"] == 1
    assert "error" in app.control.broadcast("no_such_command", reply=True, destination=[one.name], timeout=2)[0][one.name]
    app.control.broadcast("shutdown", destination=[one.name])
    assert one.process.wait(20) == 0
    assert result.get(timeout=5) == 3


def test_celerys_monitors_hear_of_tasks_and_workers(worker, app, queue):
    heard = []
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": heard.append})
        listening = threading.Thread(target=lambda: receive(receiver), daemon=True)
        listening.start()
        time.sleep(0.5)
        one = worker(events=1)
        result = app.send_task("tasks.add", (2, 3))
        assert result.get(timeout=20) == 5
        wanted = {"worker-online", "worker-heartbeat", "task-received", "task-started", "task-succeeded"}
        wait_until(lambda: {event["type"] for event in heard} >= wanted)
        receiver.should_stop = True
        listening.join(10)
    own = [event for event in heard if event.get("uuid") == result.id]
    assert [event["type"] for event in own] == ["task-received", "task-started", "task-succeeded"]
    assert own[0]["name"] == "tasks.add" and own[2]["result"] == "5"
    assert {event["hostname"] for event in own} == {one.name}
    state = celery.events.state.State()
    for event in heard:
        state.event(event)
    assert state.tasks[result.id].state == "SUCCESS" and state.workers[one.name].alive


def receive(receiver):
    try:
        receiver.capture(limit=None, timeout=15, wakeup=False)
    except (TimeoutError, OSError):
        pass


def test_this_producer_drives_celerys_worker(process, queue, celerys_worker):
    celerys_worker(queue)
    drive(process, "celery", queue)


def test_the_message_is_what_celery_sends(process, channel, queue, tmp_path):
    channel.queue_declare(queue, durable=True)
    drive(process, "notes", queue, count=1, file="somewhere")
    _, properties, body = get(channel, queue)
    assert properties.content_type == "application/json" and properties.content_encoding == "utf-8"
    assert properties.delivery_mode == 2
    assert properties.headers["task"] == "tasks.note" and properties.headers["id"] == properties.correlation_id
    assert properties.headers["root_id"] == properties.headers["id"] and properties.headers["retries"] == 0
    assert properties.headers["argsrepr"] == "('somewhere', 0)"
    empty = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert json.loads(body) == [["somewhere", 0], {}, empty]
