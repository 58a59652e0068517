#include "auth/answers.hpp"

#include <gtest/gtest.h>

namespace millrace::auth {
namespace {

using std::chrono::seconds;

class AnswersTest : public testing::Test {
 protected:
  bool ask(const std::string& key, seconds now) {
    return answers_.wants(key, now,
                          [this](const int& answer, runtime::Nanoseconds) { heard_.push_back(answer); });
  }
  Answers<int> answers_{seconds(10)};
  std::vector<int> heard_;
};

TEST_F(AnswersTest, are_found_out_once_for_all_who_ask_meanwhile) {
  EXPECT_TRUE(ask("a", seconds(1)));
  EXPECT_FALSE(ask("a", seconds(1)));
  EXPECT_TRUE(ask("b", seconds(1)));
  EXPECT_TRUE(heard_.empty());
  answers_.learn("a", 7, true, seconds(2));
  EXPECT_EQ(heard_, (std::vector<int>{7, 7}));
}

TEST_F(AnswersTest, are_good_for_a_while) {
  ask("a", seconds(1));
  answers_.learn("a", 7, true, seconds(2));
  EXPECT_FALSE(ask("a", seconds(11)));
  EXPECT_EQ(heard_.size(), 2u);
  EXPECT_TRUE(ask("a", seconds(12)));
}

TEST_F(AnswersTest, that_are_none_are_not_kept) {
  ask("a", seconds(1));
  answers_.learn("a", -1, false, seconds(2));
  EXPECT_EQ(heard_, (std::vector<int>{-1}));
  EXPECT_TRUE(ask("a", seconds(2)));
}

}  // namespace
}  // namespace millrace::auth
