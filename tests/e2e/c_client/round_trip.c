// librabbitmq: publishes COUNT persistent messages with confirms, consumes them with acknowledgements, and
// prints how many came back in order.
//
//   round_trip PORT QUEUE COUNT

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(amqp_rpc_reply_t reply, const char* what) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  fprintf(stderr, "%s failed (%d)\n", what, reply.reply_type);
  exit(1);
}

static void publish(amqp_connection_state_t connection, amqp_bytes_t queue, int count) {
  amqp_basic_properties_t properties;
  memset(&properties, 0, sizeof properties);
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  for (int number = 0; number < count; ++number) {
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    if (amqp_basic_publish(connection, 1, amqp_empty_bytes, queue, 0, 0, &properties,
                           amqp_cstring_bytes(text)) != 0) {
      fprintf(stderr, "publish failed\n");
      exit(1);
    }
  }
}

static void wait_for_confirms(amqp_connection_state_t connection, uint64_t count) {
  for (uint64_t confirmed = 0; confirmed < count;) {
    amqp_frame_t frame;
    if (amqp_simple_wait_frame(connection, &frame) != AMQP_STATUS_OK ||
        frame.payload.method.id != AMQP_BASIC_ACK_METHOD) {
      fprintf(stderr, "expected basic.ack\n");
      exit(1);
    }
    const amqp_basic_ack_t* ack = frame.payload.method.decoded;
    confirmed = ack->multiple ? ack->delivery_tag : confirmed + 1;
  }
}

static int consume(amqp_connection_state_t connection, amqp_bytes_t queue, int count) {
  int in_order = 0;
  amqp_basic_qos(connection, 1, 0, 10, 0);
  amqp_basic_consume(connection, 1, queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "consume");
  for (int number = 0; number < count; ++number) {
    amqp_envelope_t envelope;
    char text[16] = {0};
    check(amqp_consume_message(connection, &envelope, NULL, 0), "consume");
    memcpy(text, envelope.message.body.bytes,
           envelope.message.body.len < 15 ? envelope.message.body.len : 15);
    in_order += atoi(text) == number;
    amqp_basic_ack(connection, 1, envelope.delivery_tag, 0);
    amqp_destroy_envelope(&envelope);
  }
  return in_order;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const amqp_bytes_t queue = amqp_cstring_bytes(argv[2]);
  const int count = atoi(argv[3]);
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t* socket = amqp_tcp_socket_new(connection);
  if (amqp_socket_open(socket, "127.0.0.1", atoi(argv[1])) != AMQP_STATUS_OK) return 1;
  check(amqp_login(connection, "/", 0, 131072, 5, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "login");
  amqp_channel_open(connection, 1);
  check(amqp_get_rpc_reply(connection), "channel.open");
  amqp_queue_declare(connection, 1, queue, 0, 1, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "queue.declare");
  amqp_confirm_select(connection, 1);
  check(amqp_get_rpc_reply(connection), "confirm.select");
  publish(connection, queue, count);
  wait_for_confirms(connection, (uint64_t)count);
  printf("%d\n", consume(connection, queue, count));
  check(amqp_channel_close(connection, 1, AMQP_REPLY_SUCCESS), "channel.close");
  check(amqp_connection_close(connection, AMQP_REPLY_SUCCESS), "connection.close");
  amqp_destroy_connection(connection);
  return 0;
}
