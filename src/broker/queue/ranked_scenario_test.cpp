// Runs tests/data/scheduling/*.txt: a queue's arguments, messages with their headers, and below each `serve`
// what a worker of one slot gets, in that order. `broker_tests --gtest_filter=SchedulingScenarios.*
// --rewrite` writes what comes out into the files; the diff is then for a reviewer to read.
//
//   queue [argument=value …]      a new queue, x- left out; `weights=a:2,b:1` for rank-weights
//   policy [argument=value …]     from now on
//   publish NAME [header=value …]
//   take NAME                     a consumer gets the next, which must be that, and keeps it
//   return NAME                   and gives it back
//   ack NAME
//   serve                         all that is ready, each acknowledged before the next
//   clock MS                      so much later
//   restart                       of the log alone
//
// Lines that begin with two spaces are what comes out.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/scenarios_test.hpp"
#include "broker/queue/fake_host_test.hpp"

namespace millrace::broker {
namespace {

Value value_of(const std::string& text) {
  const auto number = number_in(Value::text(text));
  return number ? Value::real(*number) : Value::text(text);
}

Value weights_of(const std::string& text) {
  Arguments weights;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t colon = part.find(':');
    weights.set(part.substr(0, colon), value_of(part.substr(colon + 1)));
  }
  return Value::table(std::move(weights));
}

class RankedScenario {
 public:
  std::string run(const std::string& line) {
    std::istringstream words(line);
    std::string command, word;
    words >> command;
    if (command == "queue") return declare(words);
    if (command == "policy") {
      const QueueSpec asked = spec_of(words);
      queue_->change_settings(std::make_shared<const QueueSettings>(queue_settings(asked, nullptr, nullptr)));
      host_.run(*queue_);
      return {};
    }
    if (command == "publish") {
      words >> word;
      host_.header.clear();
      std::getline(words, host_.header);
      seqs_[word] = host_.publish(*queue_, word);
      host_.run(*queue_);
      return {};
    }
    if (command == "take") {
      const std::string got = next();
      words >> word;
      return got == word ? "" : "got " + got;
    }
    if (command == "return" || command == "ack") {
      words >> word;
      settle(word, command == "ack" ? Settlement::ack : Settlement::requeue);
      return {};
    }
    if (command == "serve") return serve();
    if (command == "clock") {
      words >> word;
      host_.now += std::stoll(word);
      return {};
    }
    if (command == "restart") {
      const QueueSettings settings = queue_->settings();
      queue_ = std::make_unique<Queue>(host_, test::test_spec(), settings);
      queue_->recover(test::FakeHost::replay({}, host_.log, 0, 0));
      host_.run(*queue_);
      return {};
    }
    throw std::runtime_error("unknown command: " + line);
  }

 private:
  static QueueSpec spec_of(std::istringstream& words) {
    QueueSpec spec = test::test_spec();
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
      const bool weights = key == "weights";
      spec.arguments.set(weights ? "x-rank-weights" : "x-" + key,
                         weights ? weights_of(value) : value_of(value));
    }
    return spec;
  }
  std::string declare(std::istringstream& words) {
    QueueSpec spec = spec_of(words);
    if (auto checked = check_queue_arguments(spec, ""); checked.has_error()) return checked.error().text;
    queue_.reset();
    host_ = test::FakeHost();
    queue_ = std::make_unique<Queue>(host_, spec, queue_settings(spec, nullptr, nullptr));
    return {};
  }
  std::string next() {
    QueueConsumer consumer = test::test_consumer(1, 1);
    EXPECT_TRUE(queue_->add_consumer(std::move(consumer)));
    host_.run(*queue_);
    queue_->remove_consumer({ConnectionId(1), ConsumerId(1)});
    const std::vector<std::string> bodies = host_.take_bodies();
    return bodies.empty() ? "" : bodies.front();
  }
  void settle(const std::string& name, Settlement how) {
    queue_->settle({ConnectionId(1), ConsumerId(1)}, {&seqs_[name], 1}, how);
    host_.run(*queue_);
  }
  std::string serve() {
    std::string all;
    for (std::string name = next(); !name.empty(); name = next()) {
      all += (all.empty() ? "" : " ") + name;
      settle(name, Settlement::ack);
    }
    return all.empty() ? "nothing" : all;
  }

  test::FakeHost host_;
  std::unique_ptr<Queue> queue_;
  std::map<std::string, std::uint64_t> seqs_;
};

TEST(SchedulingScenarios, come_out_as_written) {
  millrace::test::hold_scenarios(std::filesystem::path(MILLRACE_TEST_DATA) / "scheduling", 4,
                                 millrace::test::replay_lines<RankedScenario>);
}

}  // namespace
}  // namespace millrace::broker
