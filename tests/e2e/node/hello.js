// The first program of amqplib's callback API: a queue that is not durable, one message, close half a second later.
const amqp = require('amqplib/callback_api');

const queue = process.argv[3];

amqp.connect(process.argv[2], (failure, connection) => {
  if (failure) throw failure;
  connection.createChannel((failure, channel) => {
    if (failure) throw failure;
    channel.assertQueue(queue, { durable: false });
    channel.sendToQueue(queue, Buffer.from('Hello, World!'));
    console.log('sent');
  });
  setTimeout(() => {
    connection.close();
    process.exit(0);
  }, 500);
});
