#include "millrace/processed_ids.hpp"

#include <sqlite3.h>

#include <mutex>

#include "millrace/error.hpp"

namespace millrace {

namespace {

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

[[noreturn]] void fail(sqlite3* database, const std::string& what) {
  throw ClientError(ErrorKind::storage, "processed ids: " + what + ": " + sqlite3_errmsg(database));
}

void execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(database, sql);
}

Statement prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) fail(database, sql);
  return Statement(statement);
}

void bind_text(sqlite3_stmt* statement, int index, std::string_view text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

std::int64_t seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// Waiting for another process that writes the same file.
constexpr int kBusyTimeoutMs = 10'000;

}  // namespace

struct ProcessedIds::State {
  std::unique_ptr<sqlite3, CloseDatabase> own;
  sqlite3* database = nullptr;
  std::string consumer;
  std::mutex mutex;

  void create_table() {
    execute(database,
            "CREATE TABLE IF NOT EXISTS millrace_processed("
            "consumer TEXT NOT NULL, message_id TEXT NOT NULL, at INTEGER NOT NULL, "
            "PRIMARY KEY(consumer, message_id)) WITHOUT ROWID");
  }

  bool remember(std::string_view message_id) {
    const Statement insert = prepare(
        database,
        "INSERT INTO millrace_processed(consumer, message_id, at) VALUES(?, ?, ?) ON CONFLICT DO NOTHING");
    bind_text(insert.get(), 1, consumer);
    bind_text(insert.get(), 2, message_id);
    sqlite3_bind_int64(insert.get(), 3, seconds(std::chrono::system_clock::now()));
    if (sqlite3_step(insert.get()) != SQLITE_DONE) fail(database, "remembering a message");
    return sqlite3_changes(database) != 0;
  }
};

ProcessedIds::ProcessedIds(const std::string& file, std::string consumer)
    : state_(std::make_unique<State>()) {
  sqlite3* opened = nullptr;
  const int status = sqlite3_open(file.c_str(), &opened);
  state_->own.reset(opened);
  state_->database = opened;
  state_->consumer = std::move(consumer);
  if (status != SQLITE_OK) fail(opened, "opening '" + file + "'");
  sqlite3_busy_timeout(opened, kBusyTimeoutMs);
  // An acknowledged message does not come again: what it did has to survive a power cut.
  execute(opened, "PRAGMA journal_mode = WAL");
  execute(opened, "PRAGMA synchronous = FULL");
  state_->create_table();
}

ProcessedIds::ProcessedIds(sqlite3* database, std::string consumer) : state_(std::make_unique<State>()) {
  state_->database = database;
  state_->consumer = std::move(consumer);
  state_->create_table();
}

ProcessedIds::~ProcessedIds() = default;

bool ProcessedIds::process(Delivery& delivery, const std::function<void(sqlite3*)>& effect) {
  const std::string& id = delivery.message().message_id;
  if (id.empty())
    throw ClientError(ErrorKind::invalid_argument,
                      "a message without a message_id cannot be known again; have its publisher set one");
  bool is_new = false;
  {
    const std::lock_guard lock(state_->mutex);
    execute(state_->database, "BEGIN IMMEDIATE");
    try {
      is_new = state_->remember(id);
      if (is_new) effect(state_->database);
      execute(state_->database, "COMMIT");
    } catch (...) {
      sqlite3_exec(state_->database, "ROLLBACK", nullptr, nullptr, nullptr);
      delivery.requeue();
      throw;
    }
  }
  delivery.ack();
  return is_new;
}

bool ProcessedIds::remember(std::string_view message_id) {
  const std::lock_guard lock(state_->mutex);
  return state_->remember(message_id);
}

std::int64_t ProcessedIds::forget_before(std::chrono::system_clock::time_point time) {
  const std::lock_guard lock(state_->mutex);
  const Statement remove =
      prepare(state_->database, "DELETE FROM millrace_processed WHERE consumer = ? AND at < ?");
  bind_text(remove.get(), 1, state_->consumer);
  sqlite3_bind_int64(remove.get(), 2, seconds(time));
  if (sqlite3_step(remove.get()) != SQLITE_DONE) fail(state_->database, "forgetting messages");
  return sqlite3_changes(state_->database);
}

}  // namespace millrace
