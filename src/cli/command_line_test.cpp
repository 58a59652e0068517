#include "cli/command_line.hpp"

#include <gtest/gtest.h>

#include <set>

#include "cli/completion.hpp"
#include "cli/stop.hpp"

namespace millrace::cli {
namespace {

Chosen chosen(const std::vector<std::string>& words) {
  return std::get<Chosen>(read_words(words));
}

std::string refusal(const std::vector<std::string>& words) {
  try {
    (void)read_words(words);
  } catch (const Stop& stop) {
    EXPECT_EQ(stop.status(), kBadUse);
    return stop.text();
  }
  return "";
}

TEST(CommandLine, finds_a_verb_of_two_words_before_one_of_one) {
  EXPECT_EQ(chosen({"queues"}).verb->words, "queues");
  EXPECT_EQ(chosen({"queues", "delete", "q"}).verb->words, "queues delete");
  EXPECT_EQ(chosen({"queues", "delete", "q"}).given.text("QUEUE"), "q");
}

TEST(CommandLine, takes_options_of_the_broker_before_and_behind_the_verb) {
  EXPECT_EQ(chosen({"--http", "h:1", "queues"}).given.text("http"), "h:1");
  EXPECT_EQ(chosen({"queues", "--http=h:1"}).given.text("http"), "h:1");
  EXPECT_TRUE(chosen({"--json", "queues"}).given.has("json"));
}

TEST(CommandLine, keeps_arguments_in_order_and_options_that_repeat) {
  const Chosen got = chosen({"policies", "set", "p", "^q", "a=1", "b=2", "--apply-to", "queues"});
  EXPECT_EQ(got.given.list("KEY=VALUE"), (std::vector<std::string>{"a=1", "b=2"}));
  const Chosen sent = chosen({"publish", "q", "--header", "a=1", "--header", "b=2", "--", "-x"});
  EXPECT_EQ(sent.given.list("header"), (std::vector<std::string>{"a=1", "b=2"}));
  EXPECT_EQ(sent.given.text("MESSAGE"), "-x");
}

TEST(CommandLine, takes_empty_texts_for_texts) {
  const Chosen got = chosen({"publish", "", "", "--exchange", "x"});
  EXPECT_TRUE(got.given.has("TO"));
  EXPECT_TRUE(got.given.has("MESSAGE"));
  EXPECT_EQ(got.given.text("TO"), "");
  EXPECT_EQ(got.given.text("MESSAGE"), "");
}

TEST(CommandLine, names_what_is_near_to_a_word_that_is_no_verb) {
  EXPECT_NE(refusal({"quues"}).find("is it 'queues'?"), std::string::npos);
  EXPECT_NE(refusal({"completely-else"}).find("there is no command"), std::string::npos);
  EXPECT_NE(refusal({"definitions"}).find("one more word"), std::string::npos);
  EXPECT_NE(refusal({}).find("--help"), std::string::npos);
  EXPECT_NE(refusal({"purge"}).find("purge --help"), std::string::npos);
  EXPECT_NE(refusal({"purge", "q", "--bogus"}).find("purge --help"), std::string::npos);
}

TEST(CommandLine, refuses_numbers_that_are_none) {
  Given given;
  given.add("count", {"12x"});
  EXPECT_THROW(given.number("count", 1, 100), Stop);
  given.add("count", {"101"});
  EXPECT_THROW(given.number("count", 1, 100), Stop);
  given.add("count", {"100"});
  EXPECT_EQ(given.number("count", 1, 100), 100u);
}

TEST(CommandLine, has_help_with_an_example_for_each_verb) {
  std::set<std::string_view> seen;
  for (const Verb* verb : all_verbs()) {
    EXPECT_TRUE(seen.insert(verb->words).second) << verb->words;
    EXPECT_FALSE(verb->summary.empty()) << verb->words;
    EXPECT_NE(verb->examples.find("millrace " + std::string(verb->words)), std::string_view::npos)
        << verb->words;
    std::vector<std::string> words;
    std::string_view rest = verb->words;
    if (const std::size_t space = rest.find(' '); space != std::string_view::npos) {
      words.emplace_back(rest.substr(0, space));
      rest.remove_prefix(space + 1);
    }
    words.emplace_back(rest);
    words.emplace_back("--help");
    const Help help = std::get<Help>(read_words(words));
    EXPECT_NE(help.text.find("Examples:"), std::string::npos) << verb->words;
    for (const Option& option : verb->options) {
      EXPECT_NE(help.text.find("--" + std::string(long_name(option))), std::string::npos) << option.names;
    }
    EXPECT_NE(overview_text().find(verb->words), std::string::npos);
  }
}

TEST(Completion, knows_every_verb_in_every_shell) {
  for (const Verb* verb : all_verbs()) {
    const std::string first(verb->words.substr(0, verb->words.find(' ')));
    for (const std::string& script : {bash_completion({}), zsh_completion({}), fish_completion({})}) {
      EXPECT_NE(script.find(first), std::string::npos) << first;
    }
  }
}

}  // namespace
}  // namespace millrace::cli
