// publish, consume, move
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <iostream>
#include <thread>

#include "cli/amqp.hpp"
#include "cli/listing.hpp"
#include "cli/message_json.hpp"
#include "cli/receiving.hpp"
#include "cli/sending.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace message {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kMany = UINT64_C(1) << 40;
constexpr std::uint16_t kPrefetch = 500;
// Who only looks holds what it has seen, so that it does not see it again.
constexpr std::uint64_t kLooksAt = 2000;
constexpr std::uint64_t kMostLooksAt = 65535;
// A queue that gives nothing for so long is asked whether it has anything.
constexpr std::chrono::milliseconds kPatience{300};

constexpr Option kVhost = {"-p,--vhost", "VHOST", "The virtual host (default /)"};

constexpr Argument kPublishArguments[] = {
    {"TO", "The queue; with --exchange the routing key"},
    {"MESSAGE", "Its body; without it and --file every line of standard input is a message", false},
};
constexpr Option kPublish[] = {
    kVhost,
    {"--exchange", "NAME", "Publish to this exchange"},
    {"--file", "FILE", "The body is in this file ('-': all of standard input)"},
    {"--property", "NAME=VALUE", "As content_type=text/plain, priority=3, expiration=60000; can be repeated",
     true},
    {"--header", "NAME=VALUE", "Can be repeated", true},
    {"--transient", "", "It need not survive a restart"},
    {"--count", "N", "Send the message N times (default 1)"},
    {"--rate", "N", "At most N messages a second"},
    {"--confirm", "", "Print the id of each message that the broker has confirmed"},
};

constexpr Argument kConsumeArguments[] = {{"QUEUE", "The queue"}};
constexpr Option kConsume[] = {
    kVhost,
    {"--count", "N", "End after N messages"},
    {"--follow", "", "Wait for more when the queue is empty, until Ctrl-C"},
    {"--ack", "", "Take the messages out of the queue (the default)"},
    {"--no-ack", "", "Look only (at 2000, or --count): they go back to the queue, marked as redelivered"},
    {"--verbose", "", "Print routing key, properties and headers as well"},
};

constexpr Argument kMoveArguments[] = {
    {"FROM", "The queue to take from"},
    {"TO", "The queue to move to; with --exchange the routing key"},
};
constexpr Option kMove[] = {
    kVhost,
    {"--exchange", "NAME", "Publish to this exchange instead"},
    {"--keep-key", "", "With --exchange: each message keeps its own routing key"},
    {"--count", "N", "Move N messages at most (default: what is ready when it begins)"},
};

// Pauses so that `sent` messages take as long as the rate wants; false when a signal came.
class Pace {
 public:
  explicit Pace(std::uint64_t per_second) : per_second_(per_second) {}
  void keep(std::uint64_t sent) const {
    if (per_second_ == 0) return;
    const auto due = begun_ + std::chrono::nanoseconds(sent * 1'000'000'000 / per_second_);
    while (Interrupts::seen() == 0) {
      const auto now = std::chrono::steady_clock::now();
      if (now >= due) return;
      std::this_thread::sleep_for(
          std::min<std::chrono::nanoseconds>(due - now, std::chrono::milliseconds(100)));
    }
  }

 private:
  std::uint64_t per_second_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

int publish(Session& session) {
  const Given& given = session.given;
  if (given.has("MESSAGE") && given.has("file")) throw Stop(kBadUse, "give MESSAGE or --file, not both");
  const Address to =
      given.has("exchange") ? Address(given.text("exchange"), given.text("TO")) : Address(given.text("TO"));
  Message pattern;
  for (const std::string& pair : given.list("property")) set_property(pattern, pair);
  for (const std::string& pair : given.list("header")) set_header(pattern, pair);
  if (given.has("transient")) pattern.persistent = false;
  const std::uint64_t count = given.number("count", 1, kMany);
  const Pace pace(given.number("rate", 0, 1'000'000'000));
  const bool by_lines = !given.has("MESSAGE") && !given.has("file");
  if (given.has("MESSAGE")) pattern.body = given.text("MESSAGE");
  if (given.has("file")) pattern.body = read_whole(given.text("file"));
  if (by_lines && input_is_terminal()) std::fputs("Each line is a message; Ctrl-D ends.\n", stderr);

  const auto client = connect_client(amqp_url(session), "millrace publish");
  const Interrupts interrupts;
  Sending sending(*client);
  Progress progress("published", by_lines ? 0 : count);
  std::mutex printing;
  std::function<void(const Receipt&)> confirmed;
  if (given.has("confirm") && !session.wants_json()) {
    confirmed = [&printing](const Receipt& receipt) {
      const std::lock_guard lock(printing);
      std::fputs(("confirmed " + printable(receipt.message_id) + "\n").c_str(), stdout);
    };
  }
  std::uint64_t sent = 0;
  const auto send = [&](Message message) {
    pace.keep(sent);
    if (!sending.send(to, std::move(message), confirmed)) return false;
    progress.show(++sent);
    return true;
  };
  if (by_lines) {
    std::ios::sync_with_stdio(false);
    for (std::string line; Interrupts::seen() == 0 && std::getline(std::cin, line);) {
      Message message = pattern;
      message.body = std::move(line);
      for (std::uint64_t i = 0; i < count; ++i) {
        if (!send(message)) break;
      }
      if (sending.failure()) break;
    }
  } else {
    while (sent < count && send(pattern)) continue;
  }
  sending.wait();
  const std::uint64_t safe = sending.confirmed();
  if (const auto failure = sending.failure()) {
    const Stop why = stop_for(*failure);
    throw Stop(why.status(), why.text() + "\n" + std::to_string(safe) + " messages are confirmed.");
  }
  session.say(std::to_string(safe) + (safe == 1 ? " message" : " messages") + " published and confirmed",
              {{"published", sent}, {"confirmed", safe}});
  return Interrupts::seen() == 0 ? kOk : kRefused;
}

std::string shown(const Delivery& delivery, const Session& session) {
  if (session.wants_json()) return json::serialize(json_of(delivery)) + "\n";
  // A file or a pipe gets the bytes as they are.
  const std::string body = output_is_terminal() ? printable(delivery.body()) : delivery.body();
  if (!session.given.has("verbose")) return body + "\n";
  const json::object item = json_of(delivery);
  return "--- " + printable(delivery.exchange().empty() ? "queue" : "exchange " + delivery.exchange()) +
         ", key " + printable(delivery.routing_key()) + (delivery.redelivered() ? ", redelivered" : "") +
         ", " + std::to_string(delivery.body().size()) + " bytes\n    " +
         json::serialize(item.at("properties")) + "\n" + body + "\n";
}

int consume(Session& session) {
  const Given& given = session.given;
  const bool only_look = given.has("no-ack");
  if (only_look && given.has("ack")) throw Stop(kBadUse, "give --ack or --no-ack, not both");
  const std::uint64_t count = given.number("count", kMany, kMany);
  if (count == 0) return kOk;
  const auto client = connect_client(amqp_url(session), "millrace consume");
  const Interrupts interrupts;
  const std::uint64_t looks_at = given.has("count") ? kMostLooksAt : kLooksAt;
  const auto prefetch = static_cast<std::uint16_t>(std::min(count, only_look ? looks_at : kPrefetch));
  Receiving receiving(*client, given.text("QUEUE"), prefetch);
  std::vector<Delivery> held;
  std::uint64_t taken = 0;
  while (taken < count && Interrupts::seen() == 0) {
    auto delivery = receiving.next(kPatience);
    if (!delivery) {
      if (Interrupts::seen() != 0) break;
      const bool no_more = receiving.queue_is_empty() || (only_look && held.size() >= prefetch);
      if (!given.has("follow") && no_more && receiving.is_drained()) break;
      continue;
    }
    ++taken;
    print(shown(*delivery, session));  // before the acknowledgement: what is not shown is not lost
    if (only_look) {
      std::string().swap(delivery->message().body);
      held.push_back(std::move(*delivery));
    } else {
      delivery->ack();
    }
  }
  receiving.end();
  held.clear();
  client->close();
  return kOk;
}

// A message is acknowledged only once the broker has confirmed its copy: whatever ends this, each is in one
// of the queues or, for a moment, in both.
int move(Session& session) {
  const Given& given = session.given;
  const std::string from = given.text("FROM");
  const bool to_exchange = given.has("exchange");
  if (given.has("keep-key") && !to_exchange) throw Stop(kBadUse, "--keep-key goes with --exchange");
  if (!to_exchange && from == given.text("TO")) throw Stop(kBadUse, "the two queues are the same");
  const auto client = connect_client(amqp_url(session), "millrace move");
  if (!to_exchange) (void)client->inspect_queue(given.text("TO"));
  const std::uint64_t ready = client->inspect_queue(from).messages;
  const std::uint64_t count = std::min(given.number("count", kMany, kMany), ready);
  const Interrupts interrupts;
  Sending sending(*client, kPrefetch);
  std::uint64_t taken = 0;
  if (count != 0) {
    Progress progress("moved", count);
    const auto prefetch = static_cast<std::uint16_t>(std::min<std::uint64_t>(count, kPrefetch));
    Receiving receiving(*client, from, prefetch);
    while (taken < count) {
      auto delivery = receiving.next(kPatience);
      if (!delivery) {
        if (Interrupts::seen() != 0 || sending.failure()) break;
        if (receiving.queue_is_empty() && receiving.is_drained()) break;  // others took the rest
        continue;
      }
      Address to(given.text("exchange"), given.has("keep-key") ? delivery->routing_key() : given.text("TO"));
      Message copy = delivery->message();
      copy.mandatory = true;
      const auto original = std::make_shared<Delivery>(std::move(*delivery));
      if (!sending.send(std::move(to), std::move(copy), [original](const Receipt&) { original->ack(); }))
        break;
      progress.show(++taken);
    }
    receiving.end();
    sending.wait();
  }
  const std::uint64_t moved = sending.confirmed();
  client->close();
  if (const auto failure = sending.failure()) {
    const Stop why = stop_for(*failure);
    throw Stop(why.status(), why.text() + "\n" + std::to_string(moved) +
                                 " messages are moved; the others are where they were.");
  }
  session.say(std::to_string(moved) + (moved == 1 ? " message" : " messages") + " moved", {{"moved", moved}});
  return Interrupts::seen() == 0 ? kOk : kRefused;
}

}  // namespace
}  // namespace message

std::span<const Verb> message_verbs() {
  using namespace message;
  static const Verb verbs[] = {
      {"publish", "Publish messages and wait until the broker has them", kPublishArguments, kPublish,
       "millrace publish jobs 'resize photo 17'\n"
       "millrace publish app.web.error 'it broke' --exchange logs --header retries=3\n"
       "millrace publish jobs --file photo.jpg --property content_type=image/jpeg\n"
       "seq 1000 | millrace publish jobs --rate 100",
       guarded<publish>},
      {"consume", "Take messages out of a queue, or look at them", kConsumeArguments, kConsume,
       "millrace consume jobs --count 1\n"
       "millrace consume jobs --no-ack --verbose\n"
       "millrace consume jobs --follow --json | jq -r .payload",
       guarded<consume>},
      {"move", "Move messages to another queue; nothing is lost when it is interrupted", kMoveArguments,
       kMove,
       "millrace move dead jobs\n"
       "millrace move dead '' --exchange orders --keep-key --count 100",
       guarded<move>},
  };
  return verbs;
}

}  // namespace millrace::cli
