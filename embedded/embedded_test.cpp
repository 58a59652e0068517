// The broker inside a process, by its public face.
#include "millrace/embedded.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <mutex>

#include "millrace/millrace.hpp"

namespace millrace {
namespace {

using namespace std::chrono_literals;

// Does the call and says what kind of error it ended with.
template <class Call>
ErrorKind kind_of(Call call, std::string* text = nullptr) {
  try {
    call();
    return ErrorKind::none;
  } catch (const ClientError& error) {
    if (text) *text = error.what();
    return error.kind();
  }
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = ::testing::TempDir() + "millrace-embedded-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  std::string path;
};

// Sockets of this process, whatever they are.
int own_sockets() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    count += !gone && target.string().starts_with("socket:");
  }
  return count;
}

TEST(Embedded, carries_messages_in_memory_without_a_socket) {
  const int sockets_before = own_sockets();
  embedded broker;
  EXPECT_TRUE(broker.address().starts_with("embedded://"));
  Client client(broker.address());
  client.declare_queue("orders");
  client.publish("orders", "one");
  Consumer consumer = client.consume("orders");
  Delivery delivery = consumer.next();
  EXPECT_EQ(delivery.body(), "one");
  delivery.ack();
  EXPECT_EQ(own_sockets(), sockets_before);
  EXPECT_TRUE(client.broker().is_millrace);
  EXPECT_EQ(client.broker().address, broker.address());
}

TEST(Embedded, keeps_what_was_confirmed_in_its_directory) {
  const TemporaryDirectory directory;
  const embedded_options options{.data_dir = directory.path, .name = "kept"};
  {
    embedded broker(options);
    Client client("embedded://kept");
    client.declare_queue("orders");
    for (int i = 0; i < 100; ++i) client.publish("orders", std::to_string(i));
  }
  embedded broker(options);
  Client client("embedded://kept");
  EXPECT_EQ(client.inspect_queue("orders").messages, 100u);
  for (int i = 0; i < 100; ++i) {
    Delivery delivery = client.get("orders");
    EXPECT_EQ(delivery.body(), std::to_string(i));
    delivery.ack();
  }
}

TEST(Embedded, forgets_all_when_it_was_in_memory) {
  for (int life = 0; life < 2; ++life) {
    embedded broker{{.name = "forgetful"}};
    Client client("embedded://forgetful");
    EXPECT_EQ(kind_of([&] { client.inspect_queue("orders"); }), ErrorKind::not_found);
    client.declare_queue("orders");
  }
}

TEST(Embedded, refuses_a_directory_that_another_broker_has) {
  const TemporaryDirectory directory;
  embedded first{{.data_dir = directory.path}};
  std::string text;
  EXPECT_EQ(kind_of([&] { embedded second{{.data_dir = directory.path}}; }, &text), ErrorKind::locked);
  EXPECT_EQ(text, "'" + directory.path + "' is in use by another broker of this process (pid " +
                      std::to_string(::getpid()) + "): stop that one, or choose another directory");
  Client client(first.address());
  client.declare_queue("still-served");
}

TEST(Embedded, refuses_what_makes_no_sense) {
  embedded first{{.name = "taken"}};
  EXPECT_EQ(kind_of([] { embedded second{{.name = "taken"}}; }), ErrorKind::not_allowed);
  EXPECT_EQ(kind_of([] { embedded broker{{.name = "a/b"}}; }), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of([] { embedded broker{{.shards = 0}}; }), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of([] { embedded broker{{.sync = "sometimes"}}; }), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of([] { embedded broker{{.memory_bytes = 1 << 20}}; }), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of([] { embedded broker{{.data_dir = "/proc/nowhere"}}; }), ErrorKind::storage);
  EXPECT_EQ(kind_of([] { Client client("embedded://"); }), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of([] { Client client("embedded://name:5672"); }), ErrorKind::invalid_argument);
}

TEST(Embedded, says_that_no_broker_of_that_name_is_here) {
  ClientOptions options("embedded://nobody");
  options.operation_timeout = 200ms;
  Client client(options);
  std::string text;
  EXPECT_EQ(kind_of([&] { client.publish("q", "x"); }, &text), ErrorKind::not_connected);
  EXPECT_NE(text.find("no embedded broker of this name"), std::string::npos) << text;
}

TEST(Embedded, clients_find_the_next_broker_of_the_name) {
  const TemporaryDirectory directory;
  const embedded_options options{.data_dir = directory.path, .name = "phoenix"};
  auto broker = std::make_unique<embedded>(options);
  ClientOptions client_options(broker->address());
  client_options.backoff_min = 5ms;
  client_options.backoff_max = 20ms;
  Client client(client_options);
  client.declare_queue("orders");
  Consumer consumer = client.consume("orders");
  client.publish("orders", "before");
  EXPECT_EQ(consumer.next().body(), "before");  // and given back
  broker->stop();
  broker = std::make_unique<embedded>(options);
  client.publish("orders", "after");
  Delivery first = consumer.next();
  EXPECT_EQ(first.body(), "before");
  first.ack();
  EXPECT_EQ(consumer.next().body(), "after");
}

TEST(Embedded, outlives_and_survives_its_clients_in_any_order) {
  auto broker = std::make_unique<embedded>();
  auto client = std::make_unique<Client>(broker->address());
  client->declare_queue("orders");
  broker.reset();
  client.reset();
}

TEST(Embedded, the_program_is_its_own_administrator_and_others_have_their_permissions_only) {
  embedded broker{{.name = "owned"}};
  Client owner("embedded://owned");
  owner.declare_queue("orders");
  Message signed_by_another("x");
  signed_by_another.user_id = "somebody";
  owner.publish("orders", signed_by_another);  // impersonates as it likes

  Client guest("embedded://guest:guest@owned");
  guest.publish("orders", "y");
  Message not_mine("x");
  not_mine.user_id = "somebody";
  not_mine.timeout = 1s;
  EXPECT_NE(kind_of([&] { guest.publish("orders", not_mine); }), ErrorKind::none);

  Client stranger("embedded://stranger:secret@owned");
  EXPECT_EQ(kind_of([&] { stranger.connect(); }), ErrorKind::refused_login);
  Client wrong("embedded://guest:wrong@owned");
  EXPECT_EQ(kind_of([&] { wrong.connect(); }), ErrorKind::refused_login);
  Client elsewhere("embedded://owned/nowhere");
  EXPECT_EQ(kind_of([&] { elsewhere.connect(); }), ErrorKind::refused_login);
}

TEST(Embedded, carries_bodies_larger_than_its_pipes_both_ways) {
  embedded broker;
  Client client(broker.address());
  client.declare_queue("large");
  std::string body(9'000'001, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + i / 65536);
  client.publish("large", body);
  Delivery delivery = client.get("large");
  EXPECT_TRUE(delivery.body() == body);
  delivery.ack();
}

TEST(Embedded, serves_many_threads_and_several_shards_at_once) {
  constexpr int kClients = 6;
  constexpr int kMessages = 300;
  embedded broker{{.shards = 2}};
  std::vector<std::future<int>> ends;
  for (int i = 0; i < kClients; ++i) {
    ends.push_back(std::async(std::launch::async, [&, queue = "q" + std::to_string(i)] {
      Client client(broker.address());
      client.declare_queue(queue);
      Consumer consumer = client.consume(queue);
      std::vector<std::future<Receipt>> confirms;
      for (int n = 0; n < kMessages; ++n)
        confirms.push_back(client.async_publish(queue, std::to_string(n), use_future));
      int in_order = 0;
      for (int n = 0; n < kMessages; ++n) {
        Delivery delivery = consumer.next();
        in_order += delivery.body() == std::to_string(n);
        delivery.ack();
      }
      for (auto& confirm : confirms) confirm.get();
      return in_order;
    }));
  }
  for (auto& end : ends) EXPECT_EQ(end.get(), kMessages);
}

TEST(Embedded, blocks_publishers_when_its_memory_is_full_and_goes_on_when_there_is_room) {
  embedded broker{{.memory_bytes = embedded_options::memory_bytes_min}};
  ClientOptions options(broker.address());
  options.operation_timeout = 60s;
  Client client(options);
  std::promise<void> blocked;
  std::promise<void> unblocked;
  std::atomic<int> times{0};
  client.on_event([&](const Event& event) {
    if (event.kind == EventKind::blocked && times.exchange(1) == 0) blocked.set_value();
    if (event.kind == EventKind::unblocked && times.exchange(2) == 1) unblocked.set_value();
  });
  client.declare_queue("hoard");
  std::atomic<int> confirmed{0};
  const std::string body(512 << 10, 'x');
  auto is_blocked = blocked.get_future();
  int sent = 0;
  for (; sent < 2000 && is_blocked.wait_for(0s) != std::future_status::ready; ++sent) {
    while (sent - confirmed > 8 && is_blocked.wait_for(1ms) != std::future_status::ready) continue;
    client.async_publish("hoard", body, [&](Failure failure, const Receipt&) { confirmed += !failure; });
  }
  ASSERT_EQ(is_blocked.wait_for(30s), std::future_status::ready);
  EXPECT_LT(sent, 2000);
  Client other(broker.address());  // who only consumes is served
  other.purge_queue("hoard");
  EXPECT_EQ(unblocked.get_future().wait_for(30s), std::future_status::ready);
  client.publish("hoard", "goes on");
}

TEST(Embedded, tells_its_log_to_the_program) {
  std::mutex mutex;
  std::string text;
  {
    const auto log = [&](embedded_log_level, std::string_view line) {
      const std::lock_guard lock(mutex);
      text.append(line).append("\n");
    };
    embedded broker{{.log = log}};
  }
  EXPECT_NE(text.find("recovered 0 messages"), std::string::npos) << text;
}

}  // namespace
}  // namespace millrace
