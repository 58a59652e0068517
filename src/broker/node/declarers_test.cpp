// Who declared a queue, through restarts, and in a data directory of a version that did not write it down.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/varint.hpp"
#include "broker/management.hpp"
#include "broker/node/simulated_node_test.hpp"
#include "storage/checkpoint.hpp"

namespace millrace::broker {
namespace {

using Declarers = std::map<std::string, std::string>;  // by queue

constexpr const char* kCheckpoint = "data/shard-0/checkpoint";

// Follows what is declared.
class Watched {
 public:
  explicit Watched(simulation::FileSystem& files, const SimulatedNode::Prepare& prepare = {})
      : node_(files, prepare) {
    node_->management().attach(node_.shard(), [this](const Management::Changes& changes) {
      for (const Change& change : *changes) {
        const auto* put = std::get_if<PutQueue>(&change);
        if (put != nullptr) declarers_[put->queue->name] = put->queue->declared_by;
      }
    });
    node_.run_for(runtime::Milliseconds(100));
  }

  void declare(const std::string& user, const std::string& name) {
    bool done = false;
    Subject subject;
    subject.user = user;
    node_->management().use(
        subject, "/", {},
        [name](Connection& connection, Done<void> finished) {
          QueueDeclare queue;
          queue.name = name;
          queue.durable = true;
          connection.declare_queue(
              queue, [finished = std::move(finished)](const result<QueueStatus>& status) mutable {
                finished(outcome_of(status));
              });
        },
        [&done](const result<void>& outcome) {
          EXPECT_TRUE(outcome) << outcome.error().text;
          done = true;
        });
    node_.run_until([&] { return done; });
  }

  const Declarers& declarers() const { return declarers_; }
  void rest() { node_.run_for(runtime::Milliseconds(10)); }
  void stop() { node_.stop(); }

 private:
  Declarers declarers_;
  SimulatedNode node_;
};

// As version 4 of the checkpoint has it: the definitions, and no state of anything.
Buffer blob_of_before() {
  QueueSpec queue;
  queue.vhost = "/";
  queue.name = "old";
  queue.durable = true;
  queue.arguments = Arguments({{"x-queue-type", Value::text("classic")}});
  queue.address.id = QueueId(1);
  Buffer put;
  put_change(put, PutQueue{queue});
  Buffer blob;
  blob.put_le(std::uint8_t{4});
  put_varint(blob, 0);  // state LSN
  put_varint(blob, 4);
  put_change(blob, PutVhost{{"/", "", {}, ""}});
  blob.append(put.view().first(put.view().size() - 1));  // without the declarer, which is an empty text
  put_change(blob, PutUser{{"guest", "", {"administrator"}}});
  put_change(blob, PutPermission{{"guest", "/", ".*", ".*", ".*"}});
  for (int list = 0; list < 5; ++list) put_varint(blob, 0);  // queues, stores, windows, histories, arrivals
  return blob;
}

TEST(Declarers, survive_restarts_in_the_log_and_in_a_checkpoint) {
  for (const bool checkpointed : {false, true}) {
    simulation::FileSystem files;
    {
      Watched first(files);
      first.declare("guest", "q");
      EXPECT_EQ(first.declarers().at("q"), "guest");
      // Whatever fills the log, and the time that a checkpoint takes: an idle log takes none.
      for (int i = 0; checkpointed && !files.exists(kCheckpoint); ++i) {
        ASSERT_LT(i, 10'000);
        first.declare("guest", "q" + std::to_string(i));
        if (i % 100 == 0) first.rest();
      }
    }
    for (int restart = 0; restart < 2; ++restart) {
      Watched again(files);
      EXPECT_EQ(files.exists(kCheckpoint), checkpointed);
      for (const auto& [queue, user] : again.declarers()) EXPECT_EQ(user, "guest") << queue;
      EXPECT_EQ(again.declarers().count("q"), 1u);
      again.stop();
    }
  }
}

TEST(Declarers, are_not_known_of_queues_in_a_checkpoint_of_before) {
  simulation::FileSystem files;
  {
    Watched node(files, [](runtime::ShardRuntime runtime, const storage::DataDirectory& directory) {
      storage::write_checkpoint(runtime, directory.shard_path(0), {storage::Lsn(0), blob_of_before()},
                                [](const result<void>& written) { EXPECT_TRUE(written); });
    });
    EXPECT_EQ(node.declarers(), (Declarers{{"old", ""}}));
    node.declare("guest", "old");
    node.declare("guest", "new");
    node.stop();
  }
  Watched again(files);
  EXPECT_EQ(again.declarers(), (Declarers{{"new", "guest"}, {"old", ""}}));
}

}  // namespace
}  // namespace millrace::broker
