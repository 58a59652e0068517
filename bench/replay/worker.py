"""The real thing: a producer that keeps to the load's times, and a worker of one slot that sleeps each task's time.

Both are processes of their own; their clock is the machine's monotonic one, so that their times can be compared.
"""

import json
import multiprocessing
import time

import pika

from replay.simulator import AGEING

QUEUE = "scheduling"


def connect(port):
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0))


def sleep_until(when):
    left = when - time.monotonic()
    if left > 0:
        time.sleep(left)


def produce(port, tasks, begin, results):
    arrivals = []
    with connect(port) as connection:
        channel = connection.channel()
        for task in tasks:
            sleep_until(begin + task.arrives)
            headers = {"x-size": str(task.seconds * 1000), "x-key": task.key}
            properties = pika.BasicProperties(headers=headers, priority=task.priority)
            body = json.dumps([task.number, task.seconds]).encode()
            arrivals.append(time.monotonic())
            channel.basic_publish("", QUEUE, body, properties)
    results.put(("arrivals", arrivals))


def work(port, count, results):
    starts, ends = {}, {}
    served = []
    with connect(port) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, _, body in channel.consume(QUEUE):
            start = time.monotonic()
            number, seconds = json.loads(body)
            sleep_until(start + seconds)
            starts[number] = start
            ends[number] = time.monotonic()
            served.append(number)
            channel.basic_ack(method.delivery_tag)
            if len(served) == count:
                break
        channel.cancel()
    results.put(("work", (starts, ends, served)))


def run(port, order, tasks):
    """(arrivals, starts, ends, the order of service) as measured."""
    with connect(port) as connection:
        channel = connection.channel()
        channel.queue_delete(QUEUE)
        arguments = {"x-scheduling": order, "x-rank-ageing": str(AGEING)}
        channel.queue_declare(QUEUE, arguments=arguments)
    results = multiprocessing.Queue()
    begin = time.monotonic() + 1.0
    processes = [
        multiprocessing.Process(target=work, args=(port, len(tasks), results)),
        multiprocessing.Process(target=produce, args=(port, tasks, begin, results)),
    ]
    for process in processes:
        process.start()
    found = dict(results.get() for _ in processes)
    for process in processes:
        process.join()
    starts, ends, served = found["work"]
    return found["arrivals"], starts, ends, served
