// Consuming so that a message that comes twice has its effect once.
//
// Delivery is at least once: after a crash or a broken connection a message may come again although it was
// processed. What makes it harmless is to remember its id in the same transaction as its effect. This does it
// with SQLite: in a database of its own, in the program's own, or inside a transaction that the program runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "millrace/delivery.hpp"

struct sqlite3;

namespace millrace {

// Remembers the ids of messages that `consumer` has processed, in the table millrace_processed. Usable from
// any thread; one transaction at a time. Errors of the database are ClientError of the kind `storage`.
class ProcessedIds {
 public:
  // Opens or makes the file; ":memory:" remembers as long as this object lives. `consumer` keeps programs
  // apart that share a file.
  ProcessedIds(const std::string& file, std::string consumer);
  // In the program's own database, whose connection stays the program's and is used by one thread at a time.
  ProcessedIds(sqlite3* database, std::string consumer);
  ~ProcessedIds();
  ProcessedIds(const ProcessedIds&) = delete;
  ProcessedIds& operator=(const ProcessedIds&) = delete;

  // Runs `effect` and remembers the message's id in one transaction, unless it was processed before; then
  // acknowledges it. True: the effect was run. `effect` gets the database, to write what belongs to the
  // message there: exactly then nothing is done twice. What it does elsewhere may be done again if the
  // program dies before the commit. When it throws, nothing is remembered, the message goes back to the
  // queue, and the exception goes on. A message without a message_id cannot be known again: invalid_argument,
  // and it is not settled.
  bool process(Delivery& delivery, const std::function<void(sqlite3*)>& effect);

  // Inside a transaction that the program has begun on the connection given: remembers the id, false when it
  // was there already. The program commits, then acknowledges.
  bool remember(std::string_view message_id);

  // Forgets ids older than that, and returns how many. A message that stays in a queue for longer than what
  // is remembered may have its effect again.
  std::int64_t forget_before(std::chrono::system_clock::time_point time);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
