"""What a process and its folder take, as /proc and the broker's own figures say it."""

import os
import re
import subprocess
import time

from harness.pika_tools import wait_until

TICKS = os.sysconf("SC_CLK_TCK")
OBJECTS = ("queues", "exchanges", "connections", "channels", "consumers")
# How much more of each is no growth. The allocator keeps what was freed, which may be as much as messages in memory were
# (NodeOptions::resident_bytes), and the broker up to 8 dead segments a shard before it removes them.
ALLOWED = {
    "rss_kib": 64 << 10,
    "used_kib": 512,
    "fds": 1,
    "threads": 0.9,
    "maps": 4,
    "data_kib": 64 << 10,
    "files": 18,
    "idle_cpu": 2.0,
}
MOST_IDLE_CPU = 5.0  # per cent of a processor


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return dict(line.split(":", 1) for line in lines)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        words = stat.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def folder(path):
    """Bytes on the disk, and files."""
    size = files = 0
    for place, _, names in os.walk(path):
        for name in names:
            try:
                size += os.lstat(os.path.join(place, name)).st_blocks * 512
                files += 1
            except FileNotFoundError:
                pass  # removed meanwhile
    return size, files


def memory(pid):
    """KiB of it in all, and of that what is of no file."""
    lines = status(pid)
    return int(lines["VmRSS"].split()[0]), int(lines["RssAnon"].split()[0])


def objects(api):
    overview = api.get("/overview?fresh=true")
    totals = {name: overview["object_totals"][name] for name in OBJECTS}
    totals["messages"] = overview["queue_totals"].get("messages", 0)
    for name in ("users", "vhosts", "policies", "permissions", "bindings", "parameters"):
        totals[name] = len(api.get(f"/{name}"))
    return totals


def idle_cpu(pid, seconds):
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - began)


def wait_for_base(api, base, seconds=90):
    """Raises an error that says what is left when it is not."""
    last = {}

    def back():
        last.update(objects(api))
        return last == base

    def difference():
        return ", ".join(f"{name} {last[name]} instead of {base[name]}" for name in base if last[name] != base[name])

    wait_until(back, seconds, difference)


def wait_for_quiet(pid, data, seconds=20):
    """Until neither the process nor its folder moves; a broker that never rests is told by its idle CPU."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = folder(data)
        if idle_cpu(pid, 1.0) < 3 and folder(data) == before:
            return


def in_use(broker):
    """KiB that the process has allocated and not freed, which is less than it takes: malloc_stats writes it to its log."""
    before = broker.log_path.stat().st_size
    call = ["gdb", "-p", str(broker.pid), "-batch", "-nx", "-ex", "call (void)malloc_stats()"]
    said = subprocess.run(call, capture_output=True, timeout=120, check=False)
    with open(broker.log_path, "rb") as log:
        log.seek(before)
        total = re.search(rb"Total \(incl\. mmap\):\n.*\nin use bytes *= *(\d+)", log.read())
    assert total, f"gdb could not ask: {said.stderr.decode()[-500:]}"
    return int(total[1]) // 1024


def sample(broker, cpu_for=3.0, exact=True):
    """Otherwise what is used includes what the allocator keeps, and goes up and down by much more than is allowed."""
    pid, data = broker.pid, broker.directory / "data"
    wait_for_quiet(pid, data)
    cpu = idle_cpu(pid, cpu_for)
    rss, used = memory(pid)
    if exact:
        used = in_use(broker)
    size, files = folder(data)
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        mappings = sum(1 for _ in maps)
    return {
        "rss_kib": rss,
        "used_kib": used,
        "fds": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status(pid)["Threads"]),
        "maps": mappings,
        "data_kib": size // 1024,
        "files": files,
        "idle_cpu": round(cpu, 1),
    }
