"""Names of what the activities make: a few that come again, or each only once."""

import collections


class Names:
    POOL = 64

    def __init__(self, fresh, prefix):
        self.fresh = fresh
        self.prefix = prefix
        self.counts = collections.Counter()

    def __call__(self, kind):
        """Nobody may hold more than POOL of a kind at once."""
        number = self.counts[kind]
        self.counts[kind] += 1
        # Long enough that no small-string buffer hides it.
        return f"{kind}.{self.prefix}.of-the-soak.{number if self.fresh else number % self.POOL}"

    def source(self):
        """An address of the loopback, to connect from."""
        number = self.counts["source"]
        self.counts["source"] += 1
        if not self.fresh:
            number %= self.POOL
        return f"127.{1 + number // 62500 % 200}.{number // 250 % 250}.{1 + number % 250}"
