// Runs tests/data/routing/*.txt: declarations and publishes, and below each publish the queues it reached.
// `broker_tests --gtest_filter=RoutingScenarios.* --rewrite` writes what comes out into the files; the diff
// is then for a reviewer to read.
//
//   exchange NAME TYPE [argument=value …]     delete-exchange NAME      alternate NAME EXCHANGE  (by policy)
//   queue NAME …                              delete-queue NAME
//   bind SOURCE -> QUEUE KEY [argument=value …]       the same with => EXCHANGE, and with unbind
//   publish EXCHANGE KEY[,KEY …] [header=value …]
//
// Words are parted by spaces; one that holds a space or is empty stands in "…". A value is an integer, a
// fraction, true, false, void, or else (and always in "…") text. Lines that begin with two spaces are what
// comes out.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/scenarios_test.hpp"
#include "broker/exchange/test_message.hpp"
#include "broker/routing_table.hpp"

namespace millrace::broker {
namespace {

struct Word {
  std::string text;
  bool quoted = false;
};

std::vector<Word> words_of(const std::string& line) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] == ' ') {
      ++at;
      continue;
    }
    Word word;
    for (bool inside = false; at < line.size() && (inside || line[at] != ' '); ++at) {
      if (line[at] == '"') {
        inside = !inside;
        word.quoted = true;
      } else {
        word.text += line[at];
      }
    }
    words.push_back(std::move(word));
  }
  return words;
}

Value value_of(const std::string& text, bool quoted) {
  if (quoted) return Value::text(text);
  if (text == "void") return {};
  if (text == "true" || text == "false") return Value::boolean(text == "true");
  std::int64_t integer = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, integer).ptr == end && !text.empty()) return Value::integer(integer);
  double real = 0;
  if (std::from_chars(text.data(), end, real).ptr == end && !text.empty()) return Value::real(real);
  return Value::text(text);
}

Arguments arguments_from(const std::vector<Word>& words, std::size_t first) {
  Arguments arguments;
  for (std::size_t i = first; i < words.size(); ++i) {
    const std::size_t equals = words[i].text.find('=');
    if (equals == std::string::npos) throw std::runtime_error("not an argument: " + words[i].text);
    arguments.set(words[i].text.substr(0, equals),
                  value_of(words[i].text.substr(equals + 1), words[i].quoted));
  }
  return arguments;
}

class RoutingScenario {
 public:
  // What the line brings out, without its indentation.
  std::string run(const std::string& line) {
    const std::vector<Word> words = words_of(line);
    const auto word = [&](std::size_t i) -> const std::string& {
      if (i >= words.size()) throw std::runtime_error("too short: " + line);
      return words[i].text;
    };
    const std::string& command = word(0);
    if (command == "exchange") return declare(word(1), word(2), arguments_from(words, 3));
    if (command == "queue") {
      for (std::size_t i = 1; i < words.size(); ++i) add_queue(words[i].text);
    } else if (command == "delete-exchange") {
      table_.remove_exchange(word(1));
    } else if (command == "delete-queue") {
      table_.remove_queue(word(1));
    } else if (command == "alternate") {
      table_.set_alternate(word(1), word(2));
    } else if (command == "bind" || command == "unbind") {
      BindingSpec binding;
      binding.source = word(1);
      binding.to_exchange = word(2) == "=>";
      binding.destination = word(3);
      binding.routing_key = word(4);
      binding.arguments = arguments_from(words, 5);
      if (command == "unbind") {
        table_.unbind(binding);
        return {};
      }
      Exchange* source = table_.find_exchange(binding.source);
      if (source == nullptr) return "no such exchange";
      if (const result<void> checked = source->check_binding(binding); !checked.has_value())
        return checked.error().text;
      table_.bind(binding);
    } else if (command == "publish") {
      return publish(word(1), word(2), arguments_from(words, 3));
    } else {
      throw std::runtime_error("unknown command: " + line);
    }
    return {};
  }

 private:
  std::string declare(const std::string& name, const std::string& type, Arguments arguments) {
    ExchangeSpec spec;
    spec.vhost = "/";
    spec.name = name;
    spec.type = type;
    spec.arguments = std::move(arguments);
    if (const result<void> checked = check_exchange_type(spec); !checked.has_value())
      return checked.error().text;
    table_.add_exchange(std::move(spec));
    return {};
  }

  void add_queue(const std::string& name) {
    const QueueId id(++last_id_);
    names_[id] = name;
    table_.add_queue(name, {id, ShardId(0)});
  }

  std::string publish(const std::string& exchange, const std::string& keys, const Arguments& headers) {
    Exchange* found = table_.find_exchange(exchange);
    if (found == nullptr) return "no such exchange";
    std::vector<std::string_view> parts;
    std::string_view rest = keys;
    for (std::size_t comma; (comma = rest.find(',')) != std::string_view::npos; rest.remove_prefix(comma + 1))
      parts.push_back(rest.substr(0, comma));
    parts.push_back(rest);
    QueueTargets queues;
    RememberingExchanges remembering;
    if (!table_.route(*found, parts, *test::message_with(headers), queues, &remembering))
      return "refused: too much work";
    std::vector<std::string> reached;
    for (const QueueAddress& queue : queues) reached.push_back(names_[queue.id]);
    for (const Exchange* one : remembering) reached.push_back("(" + one->spec().name + ")");
    std::sort(reached.begin(), reached.end());
    std::string text;
    for (const std::string& name : reached) text += (text.empty() ? "" : " ") + name;
    return text.empty() ? "nowhere" : text;
  }

  RoutingTable table_{"/", test::formats(), 1};
  std::map<QueueId, std::string> names_;
  std::uint64_t last_id_ = 0;
};

TEST(RoutingScenarios, come_out_as_written) {
  millrace::test::hold_scenarios(std::filesystem::path(MILLRACE_TEST_DATA) / "routing", 8,
                                 millrace::test::replay_lines<RoutingScenario>);
}

}  // namespace
}  // namespace millrace::broker
