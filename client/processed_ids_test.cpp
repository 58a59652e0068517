// A message that comes twice has its effect once.
#include "millrace/processed_ids.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>

#include "client/scripted_peer_test.hpp"
#include "millrace/millrace.hpp"

namespace millrace {
namespace {

using client_test::ScriptedPeer;
namespace amqp = amqp091;

std::int64_t number(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) return -1;
  const std::int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
  sqlite3_finalize(statement);
  return value;
}

void execute(sqlite3* database, const char* sql) {
  ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
}

struct Processing : testing::Test {
  ScriptedPeer peer;
  ClientOptions options{peer.url()};
  std::uint16_t channel = 0;
  std::string tag;
  sqlite3* database = nullptr;

  void SetUp() override {
    options.close_timeout = std::chrono::milliseconds(50);
    sqlite3_open(":memory:", &database);
    execute(database, "CREATE TABLE balance(amount INTEGER); INSERT INTO balance VALUES(0)");
  }
  void TearDown() override { sqlite3_close(database); }

  Consumer consume(Client& client) {
    auto consumer = client.async_consume("queue", ConsumeOptions(), use_future);
    peer.accept_client();
    channel = peer.expect_consumer(&tag);
    return consumer.get();
  }
  void deliver(std::uint64_t delivery_tag, const char* id) {
    amqp::Properties properties;
    if (*id) properties.message_id = id;
    peer.deliver(channel, tag, delivery_tag, "10", properties);
  }
};

void pay(sqlite3* database) {
  execute(database, "UPDATE balance SET amount = amount + 10");
}

TEST_F(Processing, a_redelivery_is_acknowledged_without_a_second_effect) {
  Client client(options);
  Consumer consumer = consume(client);
  ProcessedIds ids(database, "payments");
  deliver(1, "a");
  deliver(2, "a");
  deliver(3, "b");
  for (const bool is_new : {true, false, true}) {
    Delivery delivery = consumer.next();
    EXPECT_EQ(ids.process(delivery, pay), is_new);
    peer.expect<amqp::basic::Ack>();
  }
  EXPECT_EQ(number(database, "SELECT amount FROM balance"), 20);
}

TEST_F(Processing, an_effect_that_throws_is_undone_with_its_id_and_comes_again) {
  Client client(options);
  Consumer consumer = consume(client);
  ProcessedIds ids(database, "payments");
  deliver(1, "a");
  Delivery delivery = consumer.next();
  EXPECT_THROW(ids.process(delivery,
                           [](sqlite3* db) {
                             pay(db);
                             throw std::runtime_error("the till is jammed");
                           }),
               std::runtime_error);
  EXPECT_TRUE(peer.expect<amqp::basic::Reject>().requeue);
  EXPECT_EQ(number(database, "SELECT amount FROM balance"), 0);
  deliver(2, "a");
  Delivery again = consumer.next();
  EXPECT_TRUE(ids.process(again, pay));
  EXPECT_EQ(number(database, "SELECT amount FROM balance"), 10);
}

TEST_F(Processing, refuses_a_message_that_cannot_be_known_again) {
  Client client(options);
  Consumer consumer = consume(client);
  ProcessedIds ids(database, "payments");
  deliver(1, "");
  Delivery delivery = consumer.next();
  EXPECT_THROW(ids.process(delivery, pay), ClientError);
  EXPECT_EQ(number(database, "SELECT amount FROM balance"), 0);
}

TEST_F(Processing, takes_part_in_the_programs_own_transaction) {
  ProcessedIds ids(database, "payments");
  execute(database, "BEGIN");
  EXPECT_TRUE(ids.remember("a"));
  execute(database, "ROLLBACK");
  execute(database, "BEGIN");
  EXPECT_TRUE(ids.remember("a"));
  execute(database, "COMMIT");
  EXPECT_FALSE(ids.remember("a"));
}

TEST_F(Processing, keeps_consumers_apart_and_forgets_what_is_old) {
  ProcessedIds payments(database, "payments");
  ProcessedIds mails(database, "mails");
  EXPECT_TRUE(payments.remember("a"));
  EXPECT_TRUE(mails.remember("a"));
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(payments.forget_before(now - std::chrono::hours(1)), 0);
  EXPECT_EQ(payments.forget_before(now + std::chrono::hours(1)), 1);
  EXPECT_TRUE(payments.remember("a"));
  EXPECT_FALSE(mails.remember("a"));
}

TEST(ProcessedIds, remembers_in_a_file_across_restarts) {
  const auto folder = std::filesystem::temp_directory_path() / ("processed_ids." + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const std::string file = folder / "ids.sqlite";
  { EXPECT_TRUE(ProcessedIds(file, "c").remember("a")); }
  { EXPECT_FALSE(ProcessedIds(file, "c").remember("a")); }
  std::filesystem::remove_all(folder);
  EXPECT_THROW(ProcessedIds("/nowhere/at/all", "c"), ClientError);
}

}  // namespace
}  // namespace millrace
