"""One worker that takes the least rank: what the broker should do, in as few lines as can be held against the theory.

Ranks are written down here once more, from docs/scheduling.md and not from the broker's source.
"""

import heapq

AGEING = 0.3


class Ranks:
    def __init__(self, order):
        self.order = order
        self.served = 0.0  # the virtual time of fair queueing
        self.finished = {}
        self.last_finished = 0.0

    def of(self, arrival, task, size):
        if self.order == "priority":
            return -task.priority
        if self.order == "sjf":
            return size
        if self.order == "aged-sjf":
            return arrival + size / AGEING
        if self.order == "lifo":
            return -task.number
        if self.order == "fair":
            start = max(self.served, self.finished.get(task.key, 0.0))
            self.finished[task.key] = start + 1
            self.last_finished = max(self.last_finished, start + 1)
            return start
        return 0  # fifo

    def took(self, rank):
        self.served = max(self.served, rank)

    def idle(self):
        self.served = max(self.served, self.last_finished)


def replay(order, tasks, arrivals, occupied, sizes):
    """The wait of each task, when the worker is occupied by each for as long as was measured."""
    ranks = Ranks(order)
    waits = [0.0] * len(tasks)
    by_arrival = sorted(range(len(tasks)), key=lambda i: (arrivals[i], i))
    waiting, at, free = [], 0, 0.0
    while at < len(by_arrival) or waiting:
        if not waiting:
            if arrivals[by_arrival[at]] > free:
                ranks.idle()
            free = max(free, arrivals[by_arrival[at]])
        while at < len(by_arrival) and arrivals[by_arrival[at]] <= free:
            i = by_arrival[at]
            heapq.heappush(waiting, (ranks.of(arrivals[i], tasks[i], sizes[i]), i))
            at += 1
        rank, i = heapq.heappop(waiting)
        ranks.took(rank)
        waits[i] = free - arrivals[i]
        free += occupied[i]
    return waits
