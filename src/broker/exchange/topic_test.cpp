#include "broker/exchange/topic.hpp"

#include <gtest/gtest.h>

#include <map>

#include "broker/exchange/test_message.hpp"

namespace millrace::broker {
namespace {

using test::binding_to;
using test::queue_target;
using test::routed;

using Ids = std::vector<std::uint64_t>;

struct Topic : ::testing::Test {
  TopicExchange topic{test::exchange_spec("topic")};
  Ref<Message> message = test::message_with({});

  void bind(std::uint64_t id, std::string_view pattern) {
    topic.bind(queue_target(id), binding_to(id, pattern));
  }
  void unbind(std::uint64_t id, std::string_view pattern) {
    topic.unbind(queue_target(id), binding_to(id, pattern));
  }
  Ids route(std::string_view key) { return routed(topic, key, *message); }
};

// The definition itself, word by word.
bool matches(const std::vector<std::string>& pattern, std::size_t p, const std::vector<std::string>& key,
             std::size_t k) {
  if (p == pattern.size()) return k == key.size();
  if (pattern[p] == "#")
    return matches(pattern, p + 1, key, k) || (k < key.size() && matches(pattern, p, key, k + 1));
  if (k == key.size()) return false;
  return (pattern[p] == "*" || pattern[p] == key[k]) && matches(pattern, p + 1, key, k + 1);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  for (;;) {
    const std::size_t dot = text.find('.');
    words.emplace_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return words;
    text.remove_prefix(dot + 1);
  }
}

std::string random_words(Prng& random, std::initializer_list<const char*> alphabet, std::size_t most) {
  std::string text;
  const std::size_t words = random.below(most + 1);
  for (std::size_t i = 0; i < words; ++i) {
    if (i > 0) text += '.';
    text += alphabet.begin()[random.below(alphabet.size())];
  }
  return text;
}

TEST_F(Topic, star_is_one_word_and_hash_any_number) {
  bind(1, "a.*.c");
  bind(2, "a.#");
  bind(3, "#.c");
  bind(4, "*");
  EXPECT_EQ(route("a.b.c"), (Ids{1, 2, 3}));
  EXPECT_EQ(route("a"), (Ids{2, 4}));
  EXPECT_EQ(route("c"), (Ids{3, 4}));
  EXPECT_EQ(route("a.b.b.c"), (Ids{2, 3}));
  EXPECT_EQ(route("b"), (Ids{4}));
  EXPECT_EQ(route(""), Ids{});
}

TEST_F(Topic, wildcards_are_words_not_parts_of_them) {
  bind(1, "a*");
  bind(2, "#b");
  EXPECT_EQ(route("ab"), Ids{});
  EXPECT_EQ(route("a*"), (Ids{1}));
  EXPECT_EQ(route("#b"), (Ids{2}));
}

TEST_F(Topic, wildcards_in_a_key_are_plain_text) {
  bind(1, "a.b");
  bind(2, "a.*");
  EXPECT_EQ(route("a.*"), (Ids{2}));
  EXPECT_EQ(route("#"), Ids{});
}

TEST_F(Topic, the_empty_key_has_no_words_and_an_empty_word_is_one) {
  bind(1, "");
  bind(2, "#");
  bind(3, "*");
  bind(4, ".");
  EXPECT_EQ(route(""), (Ids{1, 2}));
  EXPECT_EQ(route("."), (Ids{2, 4}));
  EXPECT_EQ(route("a"), (Ids{2, 3}));
}

TEST_F(Topic, agrees_with_the_definition_while_bindings_come_and_go) {
  for (const std::uint64_t seed : {20301u, 20302u, 20303u, 20304u}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Prng random(seed);
    TopicExchange exchange(test::exchange_spec("topic"));
    std::map<std::pair<std::uint64_t, std::string>, std::vector<std::string>> bound;
    for (int step = 0; step < 400; ++step) {
      if (!bound.empty() && random.one_in(3)) {
        auto one = std::next(bound.begin(), static_cast<std::ptrdiff_t>(random.below(bound.size())));
        exchange.unbind(queue_target(one->first.first), binding_to(one->first.first, one->first.second));
        bound.erase(one);
      } else {
        const std::uint64_t id = random.below(20);
        const std::string pattern = random_words(random, {"a", "b", "*", "#", "", "#"}, 6);
        if (bound.emplace(std::pair(id, pattern), words_of(pattern)).second)
          exchange.bind(queue_target(id), binding_to(id, pattern));
      }
      const std::string key = random_words(random, {"a", "b", "c", "", "*", "#"}, 7);
      Ids expected;
      for (const auto& [binding, pattern] : bound) {
        if (matches(pattern, 0, words_of(key), 0)) expected.push_back(binding.first);
      }
      Ids found = routed(exchange, key, *message);
      expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
      found.erase(std::unique(found.begin(), found.end()), found.end());
      ASSERT_EQ(found, expected) << "key '" << key << "' at step " << step;
    }
  }
}

TEST_F(Topic, runs_of_wildcards_cost_no_more_than_their_meaning) {
  std::string pattern = "#";
  for (int i = 0; i < 60; ++i) pattern += ".#.*";
  bind(1, pattern + ".z");
  std::string key = "a";
  for (int i = 0; i < 120; ++i) key += ".a";
  bool complete = false;
  EXPECT_EQ(routed(topic, key, *message, &complete), Ids{});
  EXPECT_TRUE(complete);
  EXPECT_EQ(route(key + ".z"), (Ids{1}));
}

// Every sequence of a and b with `#` between: a key that alternates leads to nearly all of their nodes at
// once, word after word.
TEST_F(Topic, bindings_made_to_cost_are_cut_off) {
  constexpr unsigned kWords = 13;
  for (unsigned bits = 0; bits < (1u << kWords); ++bits) {
    std::string pattern;
    for (unsigned i = 0; i < kWords; ++i) pattern += (bits >> i & 1) != 0 ? "#.a." : "#.b.";
    bind(bits, pattern + "x");
  }
  bind(9999, "harmless");
  std::string key = "a.b";
  for (int i = 0; i < 60; ++i) key += ".a.b";
  bool complete = true;
  routed(topic, key, *message, &complete);
  EXPECT_FALSE(complete);
  EXPECT_EQ(route("harmless"), (Ids{9999}));  // and nothing is left over from it
}

}  // namespace
}  // namespace millrace::broker
