"""aio-pika, the asyncio client."""

import asyncio

import aio_pika
import pytest


def run(broker, scenario):
    async def connected():
        async with await aio_pika.connect(broker.url(), timeout=10) as connection:
            return await asyncio.wait_for(scenario(connection), 30)

    return asyncio.run(connected())


def test_publish_with_confirms_and_iterate(broker, name):
    async def scenario(connection):
        channel = await connection.channel(publisher_confirms=True)
        queue = await channel.declare_queue(name(), auto_delete=True)
        for number in range(100):
            message = aio_pika.Message(str(number).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, queue.name)
        await channel.set_qos(prefetch_count=10)
        bodies = []
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    bodies.append(message.body)
                if len(bodies) == 100:
                    return bodies

    assert run(broker, scenario) == [str(number).encode() for number in range(100)]


def test_many_publishes_at_once_are_all_confirmed(broker, name):
    async def scenario(connection):
        channel = await connection.channel()
        queue = await channel.declare_queue(name(), exclusive=True)
        publishes = (channel.default_exchange.publish(aio_pika.Message(b"m"), queue.name) for _ in range(500))
        await asyncio.gather(*publishes)
        return (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count

    assert run(broker, scenario) == 500


def test_an_unroutable_message_raises(broker):
    async def scenario(connection):
        channel = await connection.channel(on_return_raises=True)
        with pytest.raises(aio_pika.exceptions.DeliveryError):
            await channel.default_exchange.publish(aio_pika.Message(b"m"), "nowhere", mandatory=True)

    run(broker, scenario)


def test_a_transaction_commits(broker, name):
    async def scenario(connection):
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(name(), exclusive=True)
        async with channel.transaction():
            await channel.default_exchange.publish(aio_pika.Message(b"m"), queue.name)
        return (await queue.get(timeout=5, no_ack=True)).body

    assert run(broker, scenario) == b"m"


def test_topic_binding_and_rejection(broker, name):
    async def scenario(connection):
        channel = await connection.channel()
        exchange = await channel.declare_exchange(name("x"), aio_pika.ExchangeType.TOPIC, auto_delete=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "a.#")
        await exchange.publish(aio_pika.Message(b"m", headers={"n": 1}), "a.b.c")
        first = await queue.get(timeout=5)
        await first.reject(requeue=True)
        second = await queue.get(timeout=5)
        await second.ack()
        return first.redelivered, second.redelivered, second.headers["n"]

    assert run(broker, scenario) == (False, True, 1)


def test_remote_procedure_calls_by_the_patterns_module(broker, name):
    async def scenario(connection):
        channel = await connection.channel()
        rpc = await aio_pika.patterns.RPC.create(channel)

        async def multiply(*, x, y):
            return x * y

        method = name("multiply")
        await rpc.register(method, multiply, auto_delete=True)
        return await rpc.call(method, kwargs={"x": 6, "y": 7})

    import aio_pika.patterns

    assert run(broker, scenario) == 42


def test_a_robust_connection_declares_again_what_a_restart_took(own_broker):
    broker = own_broker()

    async def scenario():
        connection = await aio_pika.connect_robust(broker.url(), reconnect_interval=0.1)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("transient", durable=False)
            received = asyncio.Queue()
            await queue.consume(received.put, no_ack=True)
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            for _ in range(50):
                try:
                    await channel.default_exchange.publish(aio_pika.Message(b"after"), "transient", mandatory=True)
                    break
                except (aio_pika.exceptions.AMQPError, aio_pika.exceptions.ChannelInvalidStateError, ConnectionError):
                    await asyncio.sleep(0.1)
            return (await asyncio.wait_for(received.get(), 10)).body

    assert asyncio.run(asyncio.wait_for(scenario(), 50)) == b"after"
