"""Runs features alone, and compares what the second half of the cycles added."""

import time

from . import gauges
from .isolated import FEATURES, KEEPS_OUTCOMES
from .trend import goes_on
from .wire import say
from .world import World, forget_outcomes

ALLOWED = gauges.ALLOWED | {"used_kib": 128}  # one thing alone is less of a to and fro
WARM_UP = 0.15  # of the cycles, before the first look
FURTHER = 2  # times that the cycles are doubled before it is called growth


class Trial:
    """One feature on one broker."""

    def __init__(self, broker, world, name, exact):
        count, self.function = FEATURES[name]
        self.broker = broker
        self.world = world
        self.exact = exact
        self.name = name
        self.count = world.times(count)
        self.base = gauges.objects(world.api)
        self.samples = []  # before, half, after

    def go_on(self, count):
        self.function(self.world, count)
        if self.name not in KEEPS_OUTCOMES:
            forget_outcomes(self.world.api)
        self.world.api.end()
        gauges.wait_for_base(self.world.api, self.base)
        self.world.api.end()
        self.samples.append(gauges.sample(self.broker, cpu_for=2.0, exact=self.exact))

    def run(self):
        """What has grown. What fills up to a bound may need longer for that: what grows then is tried for twice as long,
        and twice that; a leak still grows."""
        for part in (round(self.count * WARM_UP), self.count // 2, self.count // 2):
            self.go_on(max(1, part))
        for _ in range(FURTHER):
            if not self.found():
                break
            self.go_on(self.count)
            self.samples = [self.samples[0], self.samples[2], self.samples[3]]
            self.count *= 2
        return self.found()

    def found(self):
        before, middle, after = self.samples
        found = [
            f"{gauge} +{after[gauge] - middle[gauge]} in the second half, +{middle[gauge] - before[gauge]} in the first"
            for gauge, allowed in ALLOWED.items()
            if goes_on(before[gauge], middle[gauge], after[gauge], allowed)
        ]
        if after["idle_cpu"] > gauges.MOST_IDLE_CPU:
            found.append(f"when idle it takes {after['idle_cpu']} % of a processor")
        return found


def run(start, names, fresh, given):
    """A broker for each; the number of those that failed."""
    say(f"{'feature':26}{'cycles':>8}{'s':>5}  {'used KiB: before, half, after':>34}{'B/cycle':>9}  data MiB, files, fds")
    failed = 0
    for name in names:
        broker = start()
        began = time.monotonic()
        try:
            trial = Trial(broker, World(broker, given.seed, fresh, given.duty, scale=given.scale), name, not given.no_gdb)
            found = trial.run()
        except Exception as error:  # the others are to be tried all the same
            say(f"{name:26}FAILED: {type(error).__name__} {error}\n{broker.log_tail(1000)}")
            failed += 1
            continue
        finally:
            broker.end()
        count, samples, seconds = trial.count, trial.samples, time.monotonic() - began
        used = [one["used_kib"] for one in samples]
        each = (used[2] - used[1]) * 1024 / max(1, count // 2)
        rest = "  ".join(
            " ".join(str(one[gauge] >> shift) for one in samples)
            for gauge, shift in (("data_kib", 10), ("files", 0), ("fds", 0))
        )
        say(f"{name:26}{count:>8}{seconds:>5.0f}  {' '.join(f'{one:>10}' for one in used):>34}{each:>9.1f}  {rest}")
        for one in found:
            say(f"{'':26}GROWS: {one}")
        failed += bool(found)
    return failed
