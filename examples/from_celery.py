"""A caller that knows Celery alone: who carries its tasks out, a worker of Celery's or from_celery.cpp, is not its
business.

    python from_celery.py amqp://guest:guest@localhost//
"""

import sys

import celery

app = celery.Celery("shop", broker=sys.argv[1], backend="rpc://")
app.conf.task_routes = {"shop.*": {"queue": "shop"}}  # the one line that is new: Celery's workers keep the other tasks


@app.task(name="shop.total")
def total(lines):
    return sum(line["price"] * line["count"] for line in lines)


@app.task(name="shop.invoice", autoretry_for=(Exception,), max_retries=3)
def invoice(total):
    return f"invoice over {total}"


lines = [{"article": "pen", "price": 3, "count": 4}, {"article": "ink", "price": 7, "count": 1}]
with app:
    print("total:", total.delay(lines).get(timeout=20))
    print("chain:", (total.s(lines) | invoice.s()).apply_async().get(timeout=20))
    try:
        total.delay("no lines").get(timeout=20)
    except Exception as failure:  # of the type that the worker names
        print("failure:", type(failure).__name__)
