"""Celery's side of bench/tasks/compare: a task that does nothing, and a program that submits it.

  python celery_side.py submit COUNT      prints how many were submitted and confirmed a second
  celery -A celery_side worker            carries them out
"""

import os
import sys
import time

import celery

app = celery.Celery("celery_side", broker=os.environ.get("BROKER_URL", "amqp://guest:guest@localhost//"))
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,  # as Millrace's workers: acknowledged when it is done
    task_default_queue="bench.celery",
    worker_prefetch_multiplier=250,
    broker_transport_options={"confirm_publish": True},
    worker_hijack_root_logger=False,
)


@app.task(name="bench.nothing")
def nothing(number):
    pass


def submit(count):
    with app.producer_or_acquire() as producer:
        nothing.apply_async((0,), producer=producer)  # connects, declares
        began = time.monotonic()
        for number in range(count - 1):
            nothing.apply_async((number,), producer=producer)
        print((count - 1) / (time.monotonic() - began))


if __name__ == "__main__":
    submit(int(sys.argv[2]))
