"""The task system of libmillrace against the broker."""

import signal
import subprocess
import time

import celery
import pika
import pytest

from harness.cli import environment
from harness.millrace import binary_path
from harness.pika_tools import depth, get
from harness.rabbitmq import SERVER, RabbitMq
from harness.tasks import (
    DRIVER,
    Worker,
    app,
    celerys_worker,
    channel,
    dead_letters,
    drive,
    millrace,
    needs_driver,
    process,
    queue,
    url,
    wait_until,
    worker,
)

pytestmark = needs_driver


# -- C++ to C++


def test_results_come_by_get_future_and_coroutine(process, worker, queue):
    worker()
    drive(process, "results", queue)


def test_a_delayed_task_is_held_by_the_broker_and_a_late_one_is_revoked(process, worker, queue):
    worker()
    drive(process, "times", queue)


def test_tasks_are_cancelled_while_they_wait_and_while_they_run(process, worker, queue):
    worker()
    drive(process, "cancelling", queue)


def test_progress_reaches_the_caller(process, worker, queue):
    worker()
    drive(process, "reporting", queue)


def test_soft_and_hard_limits_end_tasks_on_threads_and_in_processes(process, worker, queue):
    worker()
    drive(process, "limits", queue)


def test_calls_go_to_whoever_is_free(process, worker, queue):
    worker(threads=2, prefetch=16)
    drive(process, "idle_first", queue)


def test_calls_go_round_threads_and_processes_where_that_is_asked_for(process, worker, queue):
    worker(threads=2, processes=2, prefetch=16, round_robin=1)
    drive(process, "going_round", queue)


def test_a_process_that_dies_is_reported_and_replaced(process, worker, queue, channel):
    worker(memory_mb=2048, cpu_s=1, tasks_max=5)
    drive(process, "processes", queue)
    reasons = [headers["millrace-dead-reason"] for headers, _ in dead_letters(channel, queue, 5)]
    assert sorted(reasons) == ["failed", "process_died", "process_died", "process_died", "process_died"]


def test_a_chain_passes_results_on(process, worker, queue):
    worker()
    drive(process, "chains", queue)


def test_calls_go_to_queues_as_they_are_and_what_cannot_follow_is_told(process, worker, queue, channel, tmp_path):
    """A call is not carried out again and again because what comes after it cannot be sent."""
    worker()
    file = tmp_path / "notes"
    drive(process, "elsewhere", queue, file=file)
    [(headers, _)] = dead_letters(channel, queue)
    assert headers["millrace-dead-reason"] == "cannot_follow" and "amq.nowhere" in headers["millrace-dead-text"]
    assert notes(file) == [1] and depth(channel, queue) == 0


@pytest.mark.parametrize("order, served", [("fair", [1, 4, 2, 3]), ("sjf", [1, 2, 3]), ("edf", [3, 2, 1])])
def test_calls_say_what_their_queue_ranks_them_by(process, worker, queue, tmp_path, order, served):
    file = tmp_path / "notes"
    drive(process, "ranked", queue, file=file, scheduling=order)
    worker(threads=1, scheduling=order)
    wait_until(lambda: len(notes(file)) == len(served))
    assert notes(file) == served


def test_groups_and_chords_end_with_all_their_results(process, worker, queue):
    worker()
    drive(process, "groups", queue, count=300)


def test_of_unique_tasks_one_is_carried_out(process, worker, queue):
    worker()
    drive(process, "uniqueness", queue)


def test_a_schedule_goes_on_in_the_broker_until_it_is_taken_away(process, worker, queue, tmp_path):
    file = tmp_path / "notes"
    workers = [worker(threads=1), worker(threads=1)]
    drive(process, "scheduling", queue, file=file)
    seen = notes(file)
    assert seen == sorted(seen) and seen[-1] == 3
    # Once each second, whichever of the workers it comes to.
    assert 3 <= seen.count(1) <= 5 and 3 <= seen.count(2) <= 5
    assert len(workers) == 2


# -- by the command line


def test_the_command_line_submits_tasks_and_says_where_they_are(process, worker, queue):
    worker(name="by-hand")
    to_queue = ("--queue", queue)
    assert millrace(process, "task", "submit", "tasks.add", "2", "3", "--wait", "20", *to_queue) == (0, "5", "")
    named = ("--named", "x=2", "--named", "y=40", "--wait", "20")
    assert millrace(process, "task", "submit", "tasks.add", *named, *to_queue) == (0, "42", "")
    status, _, error = millrace(process, "task", "submit", "tasks.raise", "boom", "--wait", "20", *to_queue)
    assert status == 1 and "ValueError: boom" in error
    assert millrace(process, "task", "submit", "tasks.rest", "30", "--id", "resting", *to_queue)[0] == 0
    status, said, _ = millrace(process, "task", "status", "resting", *to_queue)
    assert status == 0 and said.startswith("active on by-hand@")
    assert "tasks.rest" in millrace(process, "task", "workers")[1]
    assert millrace(process, "task", "cancel", "resting")[0] == 0
    wait_until(lambda: millrace(process, "task", "status", "resting", *to_queue)[0] == 1)


def test_the_command_line_retries_dead_tasks(process, worker, queue, channel):
    first = worker()
    for number in range(2):
        millrace(process, "task", "submit", "tasks.raise", "boom", "--id", f"dead-{number}", "--queue", queue)
    wait_until(lambda: depth(channel, queue + ".dead") == 2)
    status, listed, _ = millrace(process, "task", "dead", "--queue", queue)
    assert status == 0 and len(listed.splitlines()) == 2 and "failed: ValueError: boom" in listed
    assert millrace(process, "task", "status", "dead-1", "--queue", queue)[1].startswith("dead (failed)")
    assert first.end() == 0
    assert millrace(process, "task", "retry", "dead-1", "--queue", queue)[:2] == (0, "1 task submitted again")
    assert (depth(channel, queue), depth(channel, queue + ".dead")) == (1, 1)
    _, properties, _ = get(channel, queue)
    assert properties.headers["id"] == "dead-1" and properties.headers["retries"] == 0
    assert "millrace-dead-reason" not in properties.headers


# -- turns


@pytest.mark.parametrize("task", ["tasks.rest", "tasks.rest_in_process"])
@pytest.mark.parametrize("time_slice, together", [(30, True), (60_000, False)])
def test_with_one_turn_tasks_share_it_by_time_slices(worker, app, task, time_slice, together):
    worker(threads=4, processes=4, running_max=1, time_slice=time_slice)
    app.send_task(task, (0.01,)).get(timeout=20)  # a process is there
    began = time.monotonic()
    results = [app.send_task(task, (1,)) for _ in range(3)]
    assert [result.get(timeout=20) for result in results] == [1, 1, 1]
    took = time.monotonic() - began
    # Each rests for a second from its own beginning: one after the other takes three.
    assert took < 2.5 if together else took >= 2.9


def test_urgent_tasks_come_first(worker, app, tmp_path):
    file = tmp_path / "notes"
    worker(threads=1, prefetch=20)
    first = app.send_task("tasks.rest", (1,))
    wait_until(lambda: first.state == "STARTED")
    results = [app.send_task("tasks.note", (str(file), number), priority=number) for number in (1, 9, 5)]
    assert [result.get(timeout=20) for result in results] == [None] * 3
    assert notes(file) == [9, 5, 1]


# -- dead letters


@pytest.mark.parametrize(
    "reason, headers, body",
    [
        ("undecodable", {"task": "tasks.add", "id": "1"}, b"not JSON"),
        ("undecodable", {"task": "tasks.add"}, b"[[1, 2], {}, {}]"),
        ("undecodable", {"task": "tasks.add", "id": "1"}, b'{"args": [1, 2]}'),
        ("undecodable", {"task": "tasks.add", "id": "1", "eta": "tomorrow"}, b"[[1, 2], {}, {}]"),
        ("undecodable", {"task": "tasks.add", "id": "1", "millrace-barrier": "[1]"}, b"[[1, 2], {}, {}]"),
        ("rejected", {"task": "millrace.dag.advance", "id": "1"}, b"[[], {}, {}]"),
        ("unknown_task", {"task": "tasks.unheard_of", "id": "1"}, b"[[], {}, {}]"),
        ("bad_arguments", {"task": "tasks.add", "id": "1"}, b'[[1, "two"], {}, {}]'),
        ("bad_arguments", {"task": "tasks.add", "id": "1"}, b"[[1], {}, {}]"),
        ("bad_arguments", {"task": "tasks.add", "id": "1"}, b'[[1, 2], {"z": 3}, {}]'),
        ("rejected", {"task": "tasks.never_again", "id": "1"}, b"[[], {}, {}]"),
        ("failed", {"task": "tasks.raise", "id": "1"}, b'[["boom"], {}, {}]'),
    ],
)
def test_what_cannot_be_done_goes_to_the_dead_letters_with_its_reason(
    process, worker, queue, channel, reason, headers, body
):
    queue = "q.dead-letters"
    one = Worker(url(process), queue)
    try:
        properties = pika.BasicProperties(content_type="application/json", headers=headers, delivery_mode=2)
        channel.basic_publish("", queue, body, properties)
        found = dead_letters(channel, queue)
        assert len(found) == 1, found
        [(dead, kept)] = found
    finally:
        assert one.end() == 0
    assert dead["millrace-dead-reason"] == reason
    assert dead["millrace-dead-queue"] == queue and dead["millrace-dead-text"]
    assert reason != "undecodable" or kept == body
    assert depth(channel, queue) == 0


# -- what dies, and what does not


def notes(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_no_confirmed_task_is_lost_when_workers_and_broker_are_killed_under_load(process, queue, tmp_path):
    count, file = 3000, tmp_path / "notes"
    workers = [Worker(url(process), queue, threads=4) for _ in range(2)]
    producer = subprocess.Popen(
        [str(DRIVER), "notes", url(process), queue, f"count={count}", f"file={file}"], stdout=subprocess.PIPE
    )
    try:
        time.sleep(0.3)
        workers[0].process.kill()
        workers[0].end()
        workers[0] = Worker(url(process), queue, threads=4)
        time.sleep(0.2)
        process.kill()
        process.start()
        time.sleep(0.3)
        process.kill()
        process.start()
        confirmed = {int(line) for line in producer.communicate(timeout=60)[0].split()}
        wait_until(lambda: set(notes(file)) >= confirmed, 40)
    finally:
        producer.kill()
        producer.wait(5)
        for one in workers:
            one.end()
    assert len(confirmed) == count
    done = notes(file)
    # Killed workers' tasks, and what was confirmed twice, come again; a restart of the broker repeats no more than that.
    assert len(done) - len(set(done)) < 300


def test_a_killed_workers_task_is_carried_out_by_another(process, worker, queue, app):
    first = worker(threads=1)
    result = app.send_task("tasks.rest", (1.5,))
    wait_until(lambda: result.state == "STARTED")
    worker(threads=1)
    first.process.kill()
    assert result.get(timeout=20) == 1.5


def test_a_call_that_kills_its_workers_can_be_bounded(process, worker, queue, channel):
    """On a thread it takes the worker along, which can say nothing any more: the queue counts."""
    limit = 2
    first = worker(delivery_limit=limit)
    assert millrace(process, "task", "submit", "tasks.kill_worker", "--id", "poison", "--queue", queue)[0] == 0
    assert first.process.wait(20) == -signal.SIGKILL
    again = [str(DRIVER), "worker", url(process), queue, f"delivery_limit={limit}"]
    for _ in range(limit):
        assert subprocess.run(again, stdout=subprocess.DEVNULL, timeout=20, check=False).returncode == -signal.SIGKILL
    last = worker(delivery_limit=limit)
    wait_until(lambda: depth(channel, queue + ".dead") == 1)
    assert "poison  tasks.kill_worker()  delivery_limit" in millrace(process, "task", "dead", "--queue", queue)[1]
    assert last.end() == 0


def test_a_task_goes_on_when_the_broker_is_restarted_and_is_not_begun_again(process, queue, tmp_path):
    file = tmp_path / "notes"
    one = Worker(url(process), queue, threads=1)
    try:
        with celery.Celery("tasks", broker=f"{url(process)}//") as application:
            application.conf.task_default_queue = queue
            application.conf.broker_transport_options = {"confirm_publish": True}
            application.send_task("tasks.note_then_rest", (str(file), 0, 3), ignore_result=True)
            wait_until(lambda: notes(file) == [0])
            application.send_task("tasks.note", (str(file), 1), ignore_result=True)
        process.kill()
        process.start()
        wait_until(lambda: 1 in notes(file), 20)
        assert notes(file) == [0, 1]  # begun again, there would be another 0 in between
    finally:
        assert one.end() == 0


def test_a_stopping_worker_finishes_what_runs_and_gives_back_the_rest(process, worker, queue, app, channel):
    one = worker(threads=1, prefetch=5)
    running = app.send_task("tasks.rest", (1,))
    waiting = [app.send_task("tasks.add", (number, 1)) for number in range(4)]
    wait_until(lambda: running.state == "STARTED")
    one.process.terminate()
    assert one.process.wait(20) == 0
    assert running.get(timeout=5) == 1
    assert depth(channel, queue) == 4
    worker()
    assert [result.get(timeout=20) for result in waiting] == [1, 2, 3, 4]


def test_a_task_that_outlives_the_drain_time_is_given_back(process, worker, queue, app, channel):
    one = worker(threads=1, drain_ms=300, stop_ms=300)
    result = app.send_task("tasks.rest_deaf", (5,))
    time.sleep(0.5)
    one.process.terminate()
    assert one.process.wait(10) == 0
    wait_until(lambda: depth(channel, queue) == 1)
    del result  # nobody waits for it


# -- steps that depend on one another


def test_steps_of_a_dag_run_when_those_before_them_are_done(process, worker, queue):
    worker()
    worker()
    drive(process, "dags", queue, count=40)


@pytest.mark.parametrize("how", ["raised", "expired", "unknown"])
def test_a_saga_that_fails_is_undone_in_reverse(process, worker, queue, tmp_path, how):
    worker()
    file = tmp_path / "notes"
    text = drive(process, "sagas", queue, file=file, how=how)
    assert {"raised": "ValueError: no", "expired": "expired", "unknown": "knows no task"}[how] in text
    assert notes(file) == [1, 2, -2, -1]


@pytest.mark.parametrize("how", ["expired", "unknown"])
def test_a_saga_hears_of_what_celerys_worker_does_not_begin(process, worker, queue, celerys_worker, tmp_path, how):
    """Celery calls no errbacks for either: all that it sends is the result."""
    worker()
    celerys_worker(f"{queue}.py")
    file = tmp_path / "notes"
    text = drive(process, "sagas", queue, file=file, how=how, celerys_queue=f"{queue}.py")
    assert {"expired": "failed: expired", "unknown": "failed: NotRegistered"}[how] in text
    assert notes(file) == [1, 2, -2, -1]


def test_a_cancelled_saga_stops_what_runs_and_undoes_the_rest(process, worker, queue, tmp_path):
    worker()
    file = tmp_path / "notes"
    command = [str(DRIVER), "cancelled", url(process), queue, f"file={file}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as producer:
        try:
            identity = producer.stdout.readline().strip()
            wait_until(lambda: 3 in notes(file))
            millrace(process, "task", "cancel", identity)
            assert producer.wait(40) == 0, producer.stderr.read()
        finally:
            producer.kill()
    assert notes(file) == [1, 2, 3, -2, -1]


def test_a_saga_goes_on_when_workers_are_killed(process, worker, queue, tmp_path):
    """Whichever moment they are killed at: no step and no undoing is lost, and each counts once."""
    file = tmp_path / "notes"
    workers = [worker(), worker()]
    command = [str(DRIVER), "sagas", url(process), queue, f"file={file}", "how=raised", "rest_ms=1500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as producer:
        try:
            wait_until(lambda: 2 in notes(file))
            while producer.poll() is None:
                for one in workers:
                    one.process.kill()
                workers = [worker(), worker()]
                time.sleep(2.5)
            assert producer.wait(60) == 0, producer.stderr.read().decode()
        finally:
            producer.kill()
    done = notes(file)
    assert [one for at, one in enumerate(done) if one not in done[:at]] == [1, 2, -2, -1]


# -- rate limits


def test_a_rate_limit_holds_over_all_workers(process, worker, queue, tmp_path):
    count, rate, burst, file = 30, 10, 5, tmp_path / "notes"
    for _ in range(2):
        worker(rate=rate, burst=burst)
    began = time.monotonic()
    drive(process, "paced", queue, count=count, file=file)
    took = time.monotonic() - began
    assert (count - burst) / rate <= took < (count - burst) / rate + 5
    assert sorted(notes(file)) == list(range(count))


def test_a_rate_limit_outlives_the_workers(process, worker, queue, tmp_path):
    count, rate, file = 20, 5, tmp_path / "notes"
    began = time.monotonic()
    first = [worker(rate=rate), worker(rate=rate)]
    command = [str(DRIVER), "paced", url(process), queue, f"count={count}", f"file={file}"]
    with subprocess.Popen(command) as producer:
        try:
            wait_until(lambda: len(notes(file)) >= 5)
            for one in first:
                one.process.kill()
            worker(rate=rate)
            assert producer.wait(60) == 0
        finally:
            producer.kill()
    assert set(notes(file)) == set(range(count))
    assert time.monotonic() - began >= (count - 1) / rate - 0.5  # those of the killed may come twice, uncounted


# -- another broker


@pytest.mark.skipif(not SERVER.exists(), reason="rabbitmq-server is not installed")
def test_what_rabbitmq_cannot_hold_is_refused_and_the_rest_works(tmp_path, queue):
    started = RabbitMq(tmp_path).start()
    try:
        drive(started, "unsupported", queue)
        drive(started, "kept", f"{queue}.kept", seconds=120)
        line = ["worker", "--amqp", f"127.0.0.1:{started.port}", "--queue", queue, "--run", "tasks.add=expr {0} + {1}"]
        refused = subprocess.run(
            [str(binary_path()), *line, "--retries", "1"],
            capture_output=True,
            timeout=30,
            check=False,
            env=environment(),
        )
        assert refused.returncode == 1 and b"x-delayed-message, such as Millrace" in refused.stderr
    finally:
        started.end()
