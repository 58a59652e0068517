// A confirm channel: 200 persistent messages, all confirmed, then consumed and acknowledged in order.
const amqp = require('amqplib');

async function main(url, queue) {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true, maxPriority: 5 });
  for (let number = 0; number < 200; number++) {
    channel.sendToQueue(queue, Buffer.from(String(number)), { persistent: true, headers: { number } });
  }
  await channel.waitForConfirms();
  await channel.prefetch(10);
  const seen = [];
  await new Promise((resolve) => {
    channel.consume(queue, (message) => {
      if (message === null) return; // the queue was deleted, at the end
      seen.push(message.properties.headers.number);
      channel.ack(message);
      if (seen.length === 200) resolve();
    });
  });
  const inOrder = seen.every((number, index) => number === index);
  await channel.deleteQueue(queue);
  await connection.close();
  console.log(JSON.stringify({ count: seen.length, inOrder }));
}

main(process.argv[2], process.argv[3]);
