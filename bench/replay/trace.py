"""Loads: when each task comes, how long it takes, how urgent it is and whose it is. The same seed, the same load."""

import random
from dataclasses import dataclass

SHORT_PART = 0.9  # of the tasks; the others take LONG_FACTOR times as long
LONG_FACTOR = 20
MEAN_FACTOR = SHORT_PART + (1 - SHORT_PART) * LONG_FACTOR


@dataclass
class Task:
    number: int
    arrives: float  # seconds since the load began
    seconds: float  # of work
    priority: int
    key: str


def two_point(count, load, short_seconds, seed):
    """Poisson arrivals; a tenth of the tasks takes twenty times as long as the others."""
    luck = random.Random(seed)
    rate = load / (short_seconds * MEAN_FACTOR)
    tasks, now = [], 0.0
    for number in range(count):
        now += luck.expovariate(rate)
        seconds = short_seconds * (1 if luck.random() < SHORT_PART else LONG_FACTOR)
        # One tenant sends half of everything.
        key = "heavy" if luck.random() < 0.5 else f"light{luck.randrange(4)}"
        tasks.append(Task(number, now, seconds, int(luck.random() < 0.3), key))
    return tasks
