"""Everything, round after round, and what the samples between them say."""

import queue
import random
import threading
import time
import traceback

from . import gauges
from .activities import ACTIVITIES
from .trend import Trend
from .wire import say
from .world import World, forget_outcomes

TITLES = {
    "rss_kib": "RSS KiB",
    "used_kib": "used KiB",
    "fds": "fds",
    "threads": "thr",
    "maps": "maps",
    "data_kib": "data KiB",
    "files": "files",
    "idle_cpu": "idle %",
}
OF_THE_DISK = ("data_kib", "files")  # go on through a restart
LAST_RESTART_BEFORE = 0.4  # of the time: what is judged of memory is the stretch after it


class Soak:
    def __init__(self, broker, given, chosen):
        self.broker = broker
        self.given = given
        self.chosen = chosen
        fresh = given.names == "new"
        self.worlds = [
            World(broker, given.seed, fresh, given.duty, number, given.scale) for number in range(given.workers)
        ]
        self.luck = random.Random(given.seed)
        self.samples = []
        self.stretch = 0  # the first sample since the last restart
        self.failures = []
        self.restarts = []  # (how, seconds to start, RSS)
        self.base = None

    def run(self):
        """Whether it failed."""
        began = time.monotonic()
        whole = self.given.minutes * 60
        early = max(0, self.given.restarts - 2)  # the others come last
        early = [whole * LAST_RESTART_BEFORE * (at + 1) / early for at in range(early)]
        api = self.worlds[0].api
        self.base = gauges.objects(api)
        say(f"seed {self.given.seed}, names {self.given.names}, {len(self.chosen)} activities")
        say(f"{'round':>5}{'s':>6}" + "".join(f"{title:>10}" for title in TITLES.values()))
        while time.monotonic() - began < whole or len(self.samples) - self.stretch < 2 * Trend.LEAST:
            started = time.monotonic()
            self.round()
            taken = self.sample()
            if taken is None:
                break
            self.samples.append(taken)
            line = "".join(f"{taken[gauge]:>10}" for gauge in TITLES)
            say(f"{len(self.samples):>5}{time.monotonic() - started:>6.0f}{line}")
            if early and time.monotonic() - began > early[0]:
                early.pop(0)
                self.restart()
        since_restart = self.samples[self.stretch :]
        for _ in range(min(2, self.given.restarts)):
            self.restart()
        self.judge(since_restart)
        for failure in self.failures:
            say(f"FAILED: {failure}")
        return bool(self.failures)

    def round(self):
        """Each activity once; each world works on one at a time."""
        waiting = queue.Queue()
        for name in self.luck.sample(self.chosen, len(self.chosen)):
            waiting.put(name)

        def work(world):
            while True:
                try:
                    name = waiting.get_nowait()
                except queue.Empty:
                    world.api.end()
                    return
                try:
                    ACTIVITIES[name](world)
                except Exception as error:  # the rest of the round is to be tried all the same
                    self.failures.append(f"{name} in round {len(self.samples) + 1}: {type(error).__name__} {error}")
                    say(traceback.format_exc())

        threads = [threading.Thread(target=work, args=(world,)) for world in self.worlds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def sample(self):
        api = self.worlds[0].api
        try:
            forget_outcomes(api)
            gauges.wait_for_base(api, self.base)
        except (AssertionError, OSError) as error:
            self.failures.append(f"after round {len(self.samples) + 1} not back at its base: {error}")
            return None
        api.end()
        return gauges.sample(self.broker, exact=not self.given.no_gdb)

    def restart(self):
        """Clean ones and crashes in turn; what a start takes and needs is noted."""
        crash = len(self.restarts) % 2 == 1
        if crash:
            self.broker.kill()
        else:
            self.broker.stop()
        began = time.monotonic()
        self.broker.start()
        seconds = time.monotonic() - began
        api = self.worlds[0].api
        try:
            gauges.wait_for_base(api, self.base)
        except AssertionError as error:
            self.failures.append(f"after a restart not at its base: {error}")
        api.end()
        rss, _ = gauges.memory(self.broker.pid)
        self.restarts.append((crash, seconds, rss))
        self.stretch = len(self.samples)
        say(f"      {'kill -9' if crash else 'stopped'}, started in {seconds:.2f} s, RSS {rss} KiB")

    def judge(self, since_restart):
        say(f"\nsecond half of {len(since_restart)} rounds since the last restart (data: of all {len(self.samples)})")
        say(f"{'':10}{'first':>10}{'last':>10}{'a round':>10}{'steady':>8}")
        for gauge, title in TITLES.items():
            samples = self.samples if gauge in OF_THE_DISK else since_restart
            trend = Trend([one[gauge] for one in samples])
            if not trend.values:
                continue
            first, last = trend.values[0], trend.values[-1]
            say(f"{title:10}{first:>10}{last:>10}{trend.slope:>10.2f}{trend.steadiness:>8.2f}")
            if not trend.tells:
                self.failures.append(f"{title}: {len(trend.values)} samples are too few to tell")
            if trend.grows(gauges.ALLOWED[gauge]):
                self.failures.append(f"{title} grows by {trend.slope:.2f} a round, {trend.growth:.0f} in the second half")
        busiest = min((one["idle_cpu"] for one in since_restart), default=0)
        if busiest > gauges.MOST_IDLE_CPU:
            self.failures.append(f"it is never idle: {busiest} % of a processor at least")
        for crash in (False, True):
            seconds = [one[1] for one in self.restarts if one[0] == crash]
            if len(seconds) > 1 and seconds[-1] > 2 * seconds[0] + 1:
                self.failures.append(f"starts take longer and longer: {', '.join(f'{one:.2f}' for one in seconds)} s")
