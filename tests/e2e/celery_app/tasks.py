"""The application that test_celery.py starts a worker of; settings are Celery's defaults."""

import os

import celery

app = celery.Celery("tasks", broker=os.environ["BROKER_URL"], backend="rpc://")


@app.task
def add(x, y):
    return x + y


@app.task(bind=True, max_retries=3, default_retry_delay=0.1)
def succeed_at_last(self):
    if self.request.retries < 2:
        raise self.retry()
    return self.request.retries


@app.task(acks_late=True)
def echo(value):
    return value
