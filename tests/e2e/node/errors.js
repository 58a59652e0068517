// What an application sees of the broker's refusals and returns.
const amqp = require('amqplib');

async function main(url) {
  const connection = await amqp.connect(url);
  const broken = await connection.createChannel();
  const closed = new Promise((resolve) => broken.on('error', (error) => resolve({ code: error.code, text: error.message })));
  await broken.checkQueue('missing').catch(() => {});
  const channel = await connection.createChannel();
  const returned = new Promise((resolve) => channel.on('return', (message) => resolve(message.fields.replyText)));
  channel.publish('amq.direct', 'nowhere', Buffer.from('m'), { mandatory: true });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const cancelled = new Promise((resolve) => channel.consume(queue, (message) => message === null && resolve(true)));
  await channel.deleteQueue(queue);
  console.log(JSON.stringify({ closed: await closed, returned: await returned, cancelled: await cancelled }));
  await connection.close();
}

main(process.argv[2]);
