"""Tells what grows steadily from what goes up and down."""

import random


def half(values):
    """The second half, in which what fills up to a bound has had its time."""
    return values[len(values) // 2 :]


def slope(values):
    """Least squares, for each step."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in range(len(values)))
    return sum((at - middle) * (value - mean) for at, value in enumerate(values)) / spread if spread else 0.0


def steadiness(values):
    """Kendall's tau: 1 when each is greater than all before it, 0 when there is no order in them."""
    pairs = len(values) * (len(values) - 1) // 2
    signs = sum(
        (later > earlier) - (later < earlier) for at, later in enumerate(values) for earlier in values[:at]
    )
    return signs / pairs if pairs else 0.0


def goes_on(before, middle, after, allowed):
    """Whether the second half adds more than is allowed. What the first took to warm up is taken once."""
    return after - middle > allowed and after - middle > 0.3 * (middle - before)


class Trend:
    """Of the second half of what was sampled."""

    LEAST = 5  # fewer samples say nothing
    STEADY = 0.5

    def __init__(self, values):
        self.values = half(values)
        self.tells = len(self.values) >= self.LEAST
        self.slope = slope(self.values)
        self.growth = self.slope * (len(self.values) - 1)
        self.steadiness = steadiness(self.values)

    def grows(self, allowed):
        return self.tells and self.growth > allowed and self.steadiness >= self.STEADY


def self_test():
    luck = random.Random(1)
    noise = [luck.uniform(-300, 300) for _ in range(40)]
    assert Trend([100_000 + 50 * at + noise[at] for at in range(40)]).grows(500)
    assert not Trend([100_000 + noise[at] for at in range(40)]).grows(500)
    assert not Trend([min(at, 15) * 1000 + noise[at] / 10 for at in range(40)]).grows(500)  # full before the half
    assert not Trend([100_000 - 50 * at for at in range(40)]).grows(0)
    assert Trend([7, 7, 7, 7, 7, 7, 7, 8, 9, 9, 10, 11, 12]).grows(1)
    assert not Trend([1, 2, 3]).grows(0)  # too few
    assert not Trend([0.0] * 20 + [5000.0] + [0.0] * 19).grows(500)
    assert goes_on(16_000, 18_000, 20_000, 1024) and goes_on(16_000, 16_000, 17_100, 1024)
    assert not goes_on(16_000, 90_000, 94_000, 1024) and not goes_on(16_000, 18_000, 19_000, 1024)
    assert abs(slope([3, 5, 7, 9]) - 2) < 1e-9 and steadiness([1, 2, 3]) == 1 and steadiness([3, 2, 1]) == -1
