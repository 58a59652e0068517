"""`millrace worker`: tasks that are programs, with the rest of the command line and with Celery on the other side."""

import os
import signal
import time

import celery
import pytest

from harness.cli import CommandWorker
from harness.pika_tools import wait_until

pytestmark = [pytest.mark.millrace_only("it is Millrace's command line"), pytest.mark.timeout(120)]
OPTIONS = ["--http", "127.0.0.1:0"]


@pytest.fixture
def queue(request):
    return "worker." + request.node.name[:60]


def dead(cli, queue):
    return cli("task", "dead", "--queue", queue, "--json").json


def submit(cli, queue, task, *arguments, wait=20, status=0):
    return cli("task", "submit", task, *arguments, "--queue", queue, "--wait", str(wait), status=status)


def test_a_task_is_carried_out_by_a_program(broker, cli, queue):
    runs = {"sum": "expr {0} + {more}", "shout": "printf '%s!' {0}", "read": "cat"}
    with CommandWorker(broker, queue, **runs) as worker:
        assert submit(cli, queue, "sum", "2", "--named", "more=3").json == 5
        assert submit(cli, queue, "shout", "a b; echo $HOME").json == "a b; echo $HOME!"
        assert submit(cli, queue, "read", "1", '"two"', "--named", "k=[3]").json == {"args": [1, "two"], "kwargs": {"k": [3]}}
        assert worker.name in cli("task", "workers").out
    assert worker.process.returncode == 0


def test_celery_calls_a_program(broker, queue):
    with CommandWorker(broker, queue, add="expr {x} + {y}", fail="sh -c 'echo too bad >&2; exit 3'"):
        url = f"amqp://guest:guest@127.0.0.1:{broker.port}//"
        with celery.Celery("tasks", broker=url, backend="rpc://") as app:
            assert app.send_task("add", kwargs={"x": 2, "y": 3}, queue=queue).get(timeout=20) == 5
            with pytest.raises(Exception, match="exited with status 3: too bad") as told:
                app.send_task("fail", queue=queue).get(timeout=20)
            assert type(told.value).__name__ == "CommandFailed"


def test_a_program_that_fails_is_tried_again_and_then_dead_until_it_is_retried(broker, cli, queue, tmp_path):
    repaired = tmp_path / "repaired"
    tries = tmp_path / "tries"
    line = f"sh -c 'echo $MILLRACE_TASK_RETRIES >> {tries}; test -e {repaired} || {{{{ echo not yet >&2; exit 9; }}}}'"
    with CommandWorker(broker, queue, "--retries", "2", "--pause", "0", repair=line) as worker:
        failed = submit(cli, queue, "repair", status=1)
        assert "CommandFailed" in failed.err and "not yet" in failed.err
        assert tries.read_text().split() == ["0", "1", "2"]
        wait_until(lambda: len(dead(cli, queue)) == 1)
        assert dead(cli, queue)[0]["text"].endswith("exited with status 9: not yet")
        repaired.touch()
        cli("task", "retry", "--queue", queue)
        wait_until(lambda: tries.read_text().split() == ["0", "1", "2", "0"])
        assert dead(cli, queue) == []
        assert "not yet" in worker.end()[1]  # what programs say is the worker's own to say


def test_a_dead_letter_that_is_moved_back_has_all_its_attempts(broker, cli, queue, tmp_path):
    tries = tmp_path / "tries"
    with CommandWorker(broker, queue, "--retries", "1", "--pause", "0", no=f"sh -c 'echo x >> {tries}; false'"):
        submit(cli, queue, "no", status=1)
        wait_until(lambda: len(dead(cli, queue)) == 1)
        cli("move", f"{queue}.dead", queue)
        wait_until(lambda: len(tries.read_text().split()) == 4)
        wait_until(lambda: len(dead(cli, queue)) == 1)


def test_a_call_without_the_argument_is_dead_at_once(broker, cli, queue):
    with CommandWorker(broker, queue, "--retries", "5", echo="echo {width}"):
        submit(cli, queue, "echo", status=1)
        wait_until(lambda: [one["reason"] for one in dead(cli, queue)] == ["bad_arguments"])


@pytest.mark.parametrize("how, ends", [("round-robin", ["b", "a", "c"]), ("idle-first", ["b", "c", "a"])])
def test_calls_go_to_whoever_is_idle_or_round(broker, cli, queue, tmp_path, how, ends):
    """In turn the third call waits for the first one, whatever the other place does."""
    ended = tmp_path / "ended"
    options = ("--jobs", "2", "--prefetch", "10", "--dispatch", how)
    with CommandWorker(broker, queue, *options, rest=f"sh -c 'sleep {{0}}; echo {{1}} >> {ended}'"):
        for seconds, name in [("3", "a"), ("0", "b"), ("0", "c")]:
            cli("task", "submit", "rest", seconds, name, "--queue", queue)
        wait_until(lambda: ended.exists() and len(ended.read_text().split()) == 3)
        assert ended.read_text().split() == ends


def test_a_program_ends_at_its_limit(broker, cli, queue):
    with CommandWorker(broker, queue, "--limit", "1", rest="sleep 60"):
        began = time.monotonic()
        assert "SoftTimeLimitExceeded" in submit(cli, queue, "rest", status=1).err
        assert 1 <= time.monotonic() - began < 10


def test_a_program_has_no_more_memory_than_it_may(broker, cli, queue):
    hungry = "python3 -c 'len(bytearray(1 << 30))'"
    with CommandWorker(broker, queue, "--memory-mb", "512", hungry=hungry):
        assert "MemoryError" in submit(cli, queue, "hungry", status=1).err


def test_the_worker_stops_when_its_programs_are_done(broker, cli, queue, tmp_path):
    begun, done = tmp_path / "begun", tmp_path / "done"
    with CommandWorker(broker, queue, work=f"sh -c 'touch {begun}; sleep 2; touch {done}'") as worker:
        cli("task", "submit", "work", "--queue", queue)
        wait_until(begun.exists)
        assert worker.end()[0] == 0
        assert done.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_worker_cannot_end_is_done_by_another(broker, cli, queue, tmp_path, how):
    """Killed, or stopped before the program is done: no program goes on alone, and the task is begun again."""
    pids, done = tmp_path / "pids", tmp_path / "done"
    line = f"sh -c 'echo $$ >> {pids}; sleep 4; echo x >> {done}'"
    with CommandWorker(broker, queue, "--drain", "0", work=line) as first:
        cli("task", "submit", "work", "--queue", queue)
        wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"))
        began = pids.read_text().split()[0]
        first.process.send_signal(how)
        first.process.wait(20)
        wait_until(lambda: not os.path.exists(f"/proc/{began}"))
    assert not done.exists()
    with CommandWorker(broker, queue, work=line):
        wait_until(done.exists)
    assert done.read_text() == "x\n" and len(pids.read_text().split()) == 2


def test_what_cannot_be_meant_ends_with_2(broker, cli):
    assert "--run" in cli("worker", status=2).err
    assert "quote" in cli("worker", "--run", "a=b 'c", status=2).err
    cli("worker", "--run", "nothing", status=2)
    cli("worker", "--run", "=cat", status=2)
    cli("worker", "--run", "a=", status=2)
    assert "yaml" in cli("worker", "--run", "a=cat", "--result", "yaml", status=2).err
    assert cli("worker", "--run", "a=cat", "-p", "nope", status=1).err


def test_a_paused_schedule_lets_its_times_pass(broker, cli, queue, tmp_path):
    ran = tmp_path / "ran"
    count = lambda: len(ran.read_text().split()) if ran.exists() else 0  # noqa: E731
    with CommandWorker(broker, queue, tick=f"sh -c 'echo x >> {ran}'"):
        cli("task", "schedule", queue, "@every 1s", "tick", "--queue", queue)
        wait_until(lambda: count() >= 2)
        cli("task", "pause", queue)
        time.sleep(1.5)
        paused_at = count()
        time.sleep(3)
        assert count() == paused_at
        cli("task", "resume", queue)
        wait_until(lambda: count() > paused_at)
        cli("task", "unschedule", queue)
        assert cli("task", "pause", queue, status=1).err
