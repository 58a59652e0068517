#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/buffer.hpp"
#include "baseline/baselines.hpp"
#include "baseline/socket.hpp"
#include "load/clock.hpp"

namespace millrace::baseline {

using load::kSecond;
using load::now_ns;

namespace {

constexpr std::string_view kTopic = "millrace/latency";
constexpr std::size_t kReadBytes = 128 * 1024;

// The fixed header's first octet of MQTT 3.1.1 §2.2.
constexpr std::uint8_t kConnect = 0x10, kConnack = 0x20, kPublish = 0x30, kSubscribe = 0x82, kSuback = 0x90;

void put_text(Buffer& out, std::string_view text) {
  out.put_be(static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

Buffer packet(std::uint8_t type, const Buffer& content) {
  Buffer out;
  out.put_be(type);
  std::size_t rest = content.size();
  do {
    const auto low = static_cast<std::uint8_t>(rest & 0x7f);
    rest >>= 7;
    out.put_be(static_cast<std::uint8_t>(rest != 0 ? low | 0x80 : low));
  } while (rest != 0);
  out.append(content.view());
  return out;
}

// Takes one whole packet out of `in`; false when there is none yet.
bool next_packet(Buffer& in, std::uint8_t& type, ByteView& content, std::size_t& bytes) {
  std::size_t length = 0, at = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (in.size() <= at || shift > 21) return false;
    const std::uint8_t octet = in.data()[at++];
    length |= std::size_t{octet & 0x7fu} << shift;
    if (octet < 0x80) break;
  }
  if (in.size() < at + length) return false;
  type = in.data()[0];
  content = {in.data() + at, length};
  bytes = at + length;
  return true;
}

// Sends `request` and waits for the answer of that type; its last octet, a return code, must be 0.
void ask(const File& socket, const Buffer& request, std::uint8_t answer) {
  send_all(socket, request.data(), request.size());
  std::uint8_t head[2];
  receive_all(socket, head, sizeof head);
  std::uint8_t content[128];
  if (head[0] != answer || head[1] == 0 || head[1] > sizeof content)
    throw Failure("an unexpected MQTT answer");
  receive_all(socket, content, head[1]);
  if (content[head[1] - 1] != 0) throw Failure("the MQTT broker refused");
}

File log_in(std::uint16_t port, std::string_view client) {
  File socket = connect_to_loopback(port);
  Buffer content;
  put_text(content, "MQTT");
  content.put_be(std::uint8_t{4});   // the level of 3.1.1
  content.put_be(std::uint8_t{2});   // a clean session
  content.put_be(std::uint16_t{0});  // no keep-alive
  put_text(content, client);
  ask(socket, packet(kConnect, content), kConnack);
  return socket;
}

void subscribe(const File& socket) {
  Buffer content;
  content.put_be(std::uint16_t{1});
  put_text(content, kTopic);
  content.put_be(std::uint8_t{0});
  ask(socket, packet(kSubscribe, content), kSuback);
}

}  // namespace

load::Report run_mqtt_latency(const MqttOptions& options) {
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  const File subscriber = log_in(options.port, "millrace-subscriber");
  subscribe(subscriber);
  fcntl(subscriber.fd(), F_SETFL, fcntl(subscriber.fd(), F_GETFL) | O_NONBLOCK);
  const File publisher = log_in(options.port, "millrace-publisher");

  Buffer content;
  put_text(content, kTopic);
  const std::size_t size = std::max<std::size_t>(options.size, sizeof(std::uint64_t));
  std::memset(content.extend(size), 'x', size);
  Buffer publish = packet(kPublish, content);
  std::uint8_t* const stamp = publish.data() + publish.size() - sizeof(std::uint64_t);

  load::Histogram histogram;
  Buffer in;
  std::uint64_t sent = 0, received = 0;
  const double interval = kSecond / options.rate;
  const std::uint64_t start = now_ns();
  const std::uint64_t measured_from = start + static_cast<std::uint64_t>(options.warm_up * kSecond);
  const std::uint64_t end = measured_from + static_cast<std::uint64_t>(options.seconds * kSecond);
  const std::uint64_t deadline = end + 10 * kSecond;
  const auto due_at = [&](std::uint64_t number) {
    return start + static_cast<std::uint64_t>(static_cast<double>(number) * interval);
  };
  for (;;) {
    std::uint64_t now = now_ns();
    for (; due_at(sent) <= now && due_at(sent) < end; ++sent) {
      // What is late counts from when it was due.
      store_be(stamp, due_at(sent));
      send_all(publisher, publish.data(), publish.size());
    }
    if (due_at(sent) >= end && received == sent) break;
    if (now > deadline) throw Failure("the MQTT broker lost messages");
    now = now_ns();
    const std::uint64_t next = due_at(sent) < end ? due_at(sent) : now + kSecond / 10;
    const std::uint64_t wait = next > now ? next - now : 0;
    const timespec timeout{static_cast<time_t>(wait / kSecond), static_cast<long>(wait % kSecond)};
    pollfd ready{subscriber.fd(), POLLIN, 0};
    if (ppoll(&ready, 1, &timeout, nullptr) <= 0) continue;
    const ssize_t got = recv(subscriber.fd(), in.reserve(kReadBytes), kReadBytes, 0);
    if (got == 0) throw Failure("the MQTT broker closed the connection");
    if (got < 0) continue;
    in.commit(static_cast<std::size_t>(got));
    const std::uint64_t arrived = now_ns();
    std::uint8_t type = 0;
    ByteView body;
    for (std::size_t bytes = 0; next_packet(in, type, body, bytes); in.consume(bytes)) {
      if ((type & 0xf0) != kPublish || body.size() != content.size())
        throw Failure("an unexpected MQTT packet");
      const auto due = load_be<std::uint64_t>(body.data() + body.size() - sizeof(std::uint64_t));
      ++received;
      if (due >= measured_from) histogram.record(arrived - due);
    }
  }
  load::Report report;
  report.add("messages_per_second",
             static_cast<double>(histogram.count()) / static_cast<double>(end - measured_from) * kSecond,
             "/s");
  report.add_latency("latency", histogram);
  return report;
}

}  // namespace millrace::baseline
