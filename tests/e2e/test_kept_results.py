"""Results that the broker keeps, for whoever asks; and who waits for what is submitted."""

import json
import subprocess

import pytest

from harness import definitions
from harness.millrace import Millrace
from harness.pika_tools import depth
from harness.rabbitmq import SERVER, RabbitMq
from harness.tasks import (
    DRIVER,
    Worker,
    app,
    channel,
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


NOT_OF_NOTICES = r"^(?!millrace\.results$)"  # may do nothing with that exchange
DEFINITIONS = {
    "users": [definitions.user("narrow")],
    "permissions": [definitions.permission("narrow", NOT_OF_NOTICES, NOT_OF_NOTICES, NOT_OF_NOTICES)],
}
WITHOUT_RABBITMQ = pytest.mark.skipif(not SERVER.exists(), reason="rabbitmq-server is not installed")


@pytest.fixture(scope="module", params=[Millrace, pytest.param(RabbitMq, marks=WITHOUT_RABBITMQ)])
def either(request, tmp_path_factory):
    """Each of the two brokers."""
    directory = tmp_path_factory.mktemp("either")
    started = request.param(directory, definitions=definitions.write(directory / "definitions.json", DEFINITIONS))
    yield started.start()
    started.end()


def status(process, identity, queue):
    return json.loads(millrace(process, "task", "status", identity, "--queue", queue, "--json")[1])


def test_a_kept_result_is_there_for_all_who_ask_until_its_time_is_over(process, queue):
    drive(process, "kept", queue)


def test_who_waits_is_told_when_the_call_ends(either, queue):
    print(drive(either, "waiting", queue, seconds=120))


def test_results_are_kept_and_found_where_nobody_may_be_told(either, queue):
    narrow = url(either).replace("guest:guest", "narrow:narrow")
    command = [str(DRIVER), "unpermitted", narrow, queue, "count=40"]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr.decode()


def test_who_waits_is_told_after_the_broker_was_killed(process, queue):
    submit = ("task", "submit", "tasks.add", "2", "3", "--queue", queue, "--id", "killed", "--keep", "1h")
    one = Worker(url(process), queue)  # makes the queue
    assert one.end() == 0
    assert millrace(process, *submit)[0] == 0
    waiting = subprocess.Popen(
        [str(DRIVER), "awaited", url(process), queue, "id=killed"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert waiting.stdout.readline() == b"waiting\n"
        process.kill()
        process.start()
        one = Worker(url(process), queue)
        try:
            assert waiting.communicate(timeout=60) == (b"5\n", b"")
        finally:
            assert one.end() == 0
    finally:
        waiting.kill()
        waiting.communicate()


def test_who_waits_for_a_producer_that_goes_is_told(process, queue):
    drive(process, "going", queue, count=40)


def test_chords_and_dags_are_submitted_by_any_token_and_their_results_are_kept(process, worker, queue):
    worker()
    drive(process, "canvases", queue)


def test_the_command_line_says_how_a_kept_task_ended(process, worker, queue, channel):
    to_queue = ("--queue", queue)
    channel.queue_declare(queue, durable=True)
    submit = ("task", "submit", "tasks.add", "2", "3", *to_queue)
    assert millrace(process, *submit, "--id", "cli-sum", "--keep", "1h")[0] == 0
    code, said, _ = millrace(process, "task", "status", "cli-sum", *to_queue)
    assert code == 0 and said.startswith("it has not ended")
    assert status(process, "cli-sum", queue) == {"id": "cli-sum", "state": "pending"}
    worker()
    wait_until(lambda: status(process, "cli-sum", queue)["state"] == "success")
    assert millrace(process, "task", "status", "cli-sum", *to_queue) == (0, "success: 5", "")
    assert status(process, "cli-sum", queue) == {"id": "cli-sum", "state": "success", "result": 5}
    failing = ("task", "submit", "tasks.raise", "boom", *to_queue)
    assert millrace(process, *failing, "--id", "cli-boom", "--keep", "90")[0] == 0
    wait_until(lambda: status(process, "cli-boom", queue)["state"] == "failure")
    assert millrace(process, "task", "status", "cli-boom", *to_queue) == (0, "failure: ValueError: boom", "")
    told = status(process, "cli-boom", queue)
    assert (told["type"], told["text"], told["traceback"]) == ("ValueError", "boom", "ValueError: boom")
    late = ("task", "submit", "tasks.add", "1", "1", "--expires", "0", *to_queue)
    assert millrace(process, *late, "--id", "cli-late", "--keep", "15m")[0] == 0
    wait_until(lambda: status(process, "cli-late", queue)["state"] == "revoked")
    assert millrace(process, *submit, "--wait", "20", "--id", "cli-none")[0] == 0
    code, said, _ = millrace(process, "task", "status", "cli-none", *to_queue)
    assert code == 1 and "submit with --keep" in said
    for wrong in ("0", "soon", "50d"):
        assert millrace(process, *submit, "--keep", wrong)[0] == 2


def test_a_celery_producer_has_a_result_kept_by_a_header(process, worker, app, queue):
    worker()
    asked = app.send_task("tasks.add", (2, 3), headers={"millrace-keep-result": 60_000})
    assert asked.get(timeout=20) == 5
    wait_until(lambda: status(process, asked.id, queue)["state"] == "success")


def test_a_kept_result_is_there_when_the_worker_dies_before_it_acknowledges(process, worker, queue, channel):
    """The call comes again, and its outcome takes the place of the first."""
    full = f"{queue}.full"
    channel.queue_declare(full, durable=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    first = worker(threads=1)
    drive(process, "stuck", queue, id="stuck", full=full)
    wait_until(lambda: status(process, "stuck", queue)["state"] == "success")
    first.process.kill()
    first.process.wait(10)
    wait_until(lambda: depth(channel, queue) == 1)
    assert status(process, "stuck", queue) == {"id": "stuck", "state": "success", "result": 5}
    channel.queue_delete(full)
    channel.queue_declare(full, durable=True)
    worker(threads=1)
    wait_until(lambda: depth(channel, queue) == 0 and depth(channel, full) == 1)
    assert status(process, "stuck", queue)["result"] == 5
    wait_until(lambda: depth(channel, "millrace.result.stuck") > 0)  # who has looked at it has given it back
    assert depth(channel, "millrace.result.stuck") == 1


def test_a_kept_result_outlives_a_broker_that_is_killed(process, queue):
    submit = ("task", "submit", "tasks.add", "--queue", queue, "--keep", "1h")
    one = Worker(url(process), queue)
    try:
        assert millrace(process, *submit, "2", "3", "--id", "before")[0] == 0
        wait_until(lambda: status(process, "before", queue)["state"] == "success")
    finally:
        assert one.end() == 0
    assert millrace(process, *submit, "4", "5", "--id", "meanwhile")[0] == 0
    process.kill()
    process.start()
    assert status(process, "before", queue) == {"id": "before", "state": "success", "result": 5}
    assert status(process, "meanwhile", queue)["state"] == "pending"
    one = Worker(url(process), queue)
    try:
        wait_until(lambda: status(process, "meanwhile", queue)["state"] == "success")
    finally:
        assert one.end() == 0
