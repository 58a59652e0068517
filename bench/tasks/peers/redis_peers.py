"""The task systems that keep their queues in Redis: how their programs are started, and what measures them."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import time

from comparison import brokers
from peers.faktory_server import Faktory
from peers.redis_server import Redis
from peers.side_program import SideProgram

FOLDER = pathlib.Path(__file__).resolve().parent
ASYNQ = FOLDER.parents[2] / "build/peers/asynq_side"
FAKTORY = FOLDER.parents[2] / "build/peers/faktory_side"
PATIENCE = 10  # seconds, for the last acknowledgements


@dataclasses.dataclass
class Peer:
    name: str
    install: str  # what a person types, in the root of the tree
    program: list  # takes `version` and `submit`
    worker: list
    left: list  # commands of Redis whose answers, added up, are the tasks that are not acknowledged
    server: type = Redis

    def version(self):
        """What it says about itself; raises OSError or CalledProcessError where it cannot be run."""
        return subprocess.run([*self.program, "version"], capture_output=True, text=True, check=True).stdout.strip()


SIDEKIQ = [str(FOLDER / "sidekiq/side.rb")]
BULLMQ = ["node", str(FOLDER / "bullmq/side.mjs")]

PEERS = [
    Peer(
        name="Sidekiq",
        install="apt-get install redis-server ruby-sidekiq",
        program=["ruby", *SIDEKIQ],
        worker=["sidekiq", "-r", *SIDEKIQ],
        left=["LLEN queue:default"],
    ),
    Peer(
        name="BullMQ",
        install="apt-get install redis-server nodejs npm && "
        "npm install --no-package-lock --prefix bench/tasks/peers/bullmq",
        program=BULLMQ,
        worker=[*BULLMQ, "work"],
        left=["LLEN bull:bench:wait", "LLEN bull:bench:active"],
    ),
    Peer(
        name="asynq",
        install="apt-get install redis-server && go build -C bench/tasks/peers/asynq -o $PWD/build/peers/asynq_side",
        program=[str(ASYNQ)],
        worker=[str(ASYNQ), "work"],
        left=["LLEN asynq:{default}:pending", "LLEN asynq:{default}:active"],
    ),
    Peer(
        name="Faktory",
        install="apt-get install redis-server && "
        "git clone --depth 1 https://github.com/contribsys/faktory build/peers/faktory && "
        "git clone --depth 1 https://github.com/contribsys/faktory_worker_go build/peers/faktory_worker_go && "
        "go build -C build/peers/faktory -o ../faktory_server ./cmd/faktory && "
        "go build -C bench/tasks/peers/faktory -o $PWD/build/peers/faktory_side",
        program=[str(FAKTORY)],
        worker=[str(FAKTORY), "work"],
        left=["LLEN q:default", "ZCARD working"],
        server=Faktory,
    ),
]


def missing(peer):
    """Why the peer cannot be run on this machine, and what would help; nothing if it can."""
    if not peer.server.is_here():
        return f"Its server is missing. Install it: {peer.install}"
    try:
        peer.version()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{error} Install it: {peer.install}"
    return ""


def figures(peer, server, count, log):
    """Tasks a second, and microseconds of processor time a task of the peer's programs and of the server."""
    run = Run(peer, server, count, log)
    submit, work = [*peer.program, "submit"], peer.worker
    return (
        run.measured("submit", [submit], left=count)
        | run.measured("carry out", [work], left=0)
        | run.measured("both at once", [submit, work], left=0)
    )


def cpu_of(programs):
    return sum(program.cpu() for program in programs)


class Run:
    """One peer on one server, which is started and stopped elsewhere."""

    def __init__(self, peer, server, count, log):
        self._peer, self._server, self._count, self._log = peer, server, count, log

    def measured(self, what, commands, left):
        """From when the programs may begin until each is done and that many tasks are left."""
        with contextlib.ExitStack() as stack:
            programs = [stack.enter_context(self._program(command)) for command in commands]
            for program in programs:
                program.wait_for("ready")
            own, servers, began = cpu_of(programs), self._server.cpu(), time.monotonic()
            for program in programs:
                program.go()
            for program in programs:
                program.wait_for("done")
            brokers.wait_until(f"{left} tasks left by {self._peer.name}", lambda: self._left() == left, PATIENCE)
            took = time.monotonic() - began
            own, servers = cpu_of(programs) - own, self._server.cpu() - servers
        return {
            what: self._count / took,
            f"{what}, program us": own / self._count * 1e6,
            f"{what}, broker us": servers / self._count * 1e6,
        }

    def _program(self, command):
        environment = os.environ | self._server.environment | {"COUNT": str(self._count)}
        return SideProgram(command, environment, self._log)

    def _left(self):
        return sum(self._server.number(command) for command in self._peer.left)
