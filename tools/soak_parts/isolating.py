"""Runs features alone, and compares what the second half of the cycles added."""

import time

from . import gauges
from .isolated import FEATURES, KEEPS_OUTCOMES
from .wire import say
from .world import World, forget_outcomes

WARM_UP = 0.15  # of the cycles, before the first look


def halves(broker, seed, fresh, duty, name, scale):
    """Samples before, at the half, after."""
    count, function = FEATURES[name]
    world = World(broker, seed, fresh, duty, scale=scale)
    count = world.times(count)
    base = gauges.objects(world.api)
    began = time.monotonic()
    samples = []
    for part in (round(count * WARM_UP), count // 2, count // 2):
        function(world, part)
        if name not in KEEPS_OUTCOMES:
            forget_outcomes(world.api)
        gauges.wait_for_base(world.api, base)
        world.api.end()
        samples.append(gauges.sample(broker, cpu_for=2.0))
    return count, time.monotonic() - began, samples


def verdict(count, samples):
    """What has grown in the second half."""
    before, middle, after = samples
    found = []
    for gauge, allowed in gauges.ALLOWED.items():
        first, second = middle[gauge] - before[gauge], after[gauge] - middle[gauge]
        if gauge == "idle_cpu":
            if after[gauge] > gauges.MOST_IDLE_CPU:
                found.append(f"{gauge} {after[gauge]}")
        # What it took in the first half to warm up, it takes once.
        elif second > allowed and second > 0.3 * first:
            found.append(f"{gauge} +{second:g} in the second half, +{first:g} in the first")
    return found


def run(start, names, seed, fresh, duty, scale):
    """A broker for each; the number of those that failed."""
    say(f"{'feature':26}{'cycles':>8}{'s':>5}  {'RSS KiB: before, half, after':>34}{'B/cycle':>9}  data MiB, files, fds")
    failed = 0
    for name in names:
        broker = start()
        try:
            count, seconds, samples = halves(broker, seed, fresh, duty, name, scale)
            found = verdict(count, samples)
        except Exception as error:  # the others are to be tried all the same
            say(f"{name:26}FAILED: {type(error).__name__} {error}\n{broker.log_tail(1000)}")
            failed += 1
            continue
        finally:
            broker.end()
        rss = [one["rss_kib"] for one in samples]
        each = (rss[2] - rss[1]) * 1024 / max(1, count // 2)
        rest = "  ".join(
            " ".join(str(one[gauge] >> shift) for one in samples)
            for gauge, shift in (("data_kib", 10), ("files", 0), ("fds", 0))
        )
        say(f"{name:26}{count:>8}{seconds:>5.0f}  {' '.join(f'{one:>10}' for one in rss):>34}{each:>9.1f}  {rest}")
        for one in found:
            say(f"{'':26}GROWS: {one}")
        failed += bool(found)
    return failed
