"""The first programs that everybody writes."""

import pika

from harness.pika_tools import Inbox


def test_pika_sends_and_receives_hello(broker):
    parameters = pika.ConnectionParameters(broker.host, broker.port)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare(queue="hello")
    channel.queue_purge("hello")
    channel.basic_publish(exchange="", routing_key="hello", body="Hello World!")
    connection.close()

    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare(queue="hello")
    bodies = []

    def callback(ch, _method, _properties, body):
        bodies.append(body)
        ch.stop_consuming()

    channel.basic_consume(queue="hello", auto_ack=True, on_message_callback=callback)
    channel.start_consuming()
    connection.close()
    assert bodies == [b"Hello World!"]


def test_work_queue_shares_tasks_among_workers_by_prefetch_one(connect, name):
    queue = name()
    boss = connect().channel()
    boss.queue_declare(queue, durable=True)
    workers = []
    for _ in range(2):
        worker = connect().channel()
        worker.basic_qos(prefetch_count=1)
        workers.append(Inbox(worker, queue, auto_ack=False))
    for number in range(4):
        boss.basic_publish("", queue, f"task {number}", pika.BasicProperties(delivery_mode=2))
    for worker in workers:
        assert len(worker.wait(1)) == 1
    assert sorted(workers[0].bodies + workers[1].bodies) == [b"task 0", b"task 1"]
    workers[0].channel.basic_ack(workers[0].deliveries[0][0].delivery_tag)
    assert workers[0].wait(2)[1] == b"task 2"
    assert len(workers[1].settle()) == 1
    boss.queue_delete(queue)


def test_logs_reach_every_subscriber_of_a_fanout(connect, name):
    exchange = name("logs")
    channel = connect().channel()
    channel.exchange_declare(exchange, "fanout")
    inboxes = []
    for _ in range(3):
        subscriber = connect().channel()
        queue = subscriber.queue_declare("", exclusive=True).method.queue
        subscriber.queue_bind(queue, exchange)
        inboxes.append(Inbox(subscriber, queue))
    channel.basic_publish(exchange, "", "a line")
    assert [inbox.wait(1) for inbox in inboxes] == [[b"a line"]] * 3
    channel.exchange_delete(exchange)


def test_remote_procedure_call_over_reply_to_and_correlation_id(connect, name):
    rpc_queue = name("rpc")
    server = connect().channel()
    server.queue_declare(rpc_queue)

    def square(ch, method, properties, body):
        answer = pika.BasicProperties(correlation_id=properties.correlation_id)
        ch.basic_publish("", properties.reply_to, str(int(body) ** 2), answer)
        ch.basic_ack(method.delivery_tag)

    server.basic_consume(rpc_queue, square)
    client = connect().channel()
    replies = client.queue_declare("", exclusive=True).method.queue
    inbox = Inbox(client, replies)
    client.basic_publish("", rpc_queue, "12", pika.BasicProperties(reply_to=replies, correlation_id="call 1"))
    while not inbox.bodies:
        server.connection.process_data_events(time_limit=0.05)
        client.connection.process_data_events(time_limit=0.05)
    assert inbox.bodies == [b"144"]
    assert inbox.deliveries[0][1].correlation_id == "call 1"
    server.queue_delete(rpc_queue)
