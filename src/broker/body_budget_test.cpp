#include "broker/body_budget.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/prng.hpp"

namespace millrace::broker {
namespace {

constexpr std::uint64_t kBudget = 100;

// A connection: what it was told, in order with what others were told.
class Peer final : public BodyBudget::Owner {
 public:
  Peer(BodyBudget& budget, std::string name, std::vector<std::string>& told)
      : account(budget, *this), name_(std::move(name)), told_(told) {}

  void on_body_room() override { told_.push_back(name_ + " has room"); }
  void on_body_refused(const Error& why) override {
    EXPECT_EQ(why.code, Errc::resource_error);
    EXPECT_FALSE(why.text.empty());
    EXPECT_TRUE(account.idle());
    told_.push_back(name_ + " is refused");
  }
  bool is_read() const noexcept override { return read; }
  std::string_view peer() const noexcept override { return name_; }

  // What became of it: "held", "waits" or "refused".
  std::string hold(std::uint64_t bytes) {
    const result<bool> held = account.hold(bytes);
    if (held.has_error()) return "refused";
    return *held ? "held" : "waits";
  }

  BodyBudget::Account account;
  bool read = true;

 private:
  std::string name_;
  std::vector<std::string>& told_;
};

class BodyBudgetTest : public ::testing::Test {
 protected:
  using Told = std::vector<std::string>;

  Told settle() {
    budget_.settle();
    return std::exchange(told_, {});
  }
  Told tick(unsigned times) {
    while (times-- > 0) budget_.tick();
    return std::exchange(told_, {});
  }

  Told logged_, told_;
  BodyBudget budget_{kBudget, [this](std::string_view line) { logged_.emplace_back(line); }};
  Peer a_{budget_, "a", told_}, b_{budget_, "b", told_}, c_{budget_, "c", told_};
};

TEST_F(BodyBudgetTest, gives_room_at_once_while_there_is_some) {
  EXPECT_EQ(a_.hold(60), "held");
  EXPECT_EQ(b_.hold(40), "held");
  EXPECT_EQ(budget_.held(), 100u);
  EXPECT_EQ(c_.hold(1), "waits");
  EXPECT_EQ(budget_.held(), 100u);
}

TEST_F(BodyBudgetTest, grants_first_come_first_served_at_the_end_of_the_turn) {
  EXPECT_EQ(a_.hold(80), "held");
  EXPECT_EQ(b_.hold(50), "waits");
  EXPECT_EQ(c_.hold(10), "waits") << "it would fit, but b came first";
  EXPECT_EQ(settle(), Told());
  a_.account.keep(0);
  EXPECT_TRUE(b_.account.waits());
  EXPECT_EQ(settle(), (Told{"b has room", "c has room"}));
  EXPECT_EQ(b_.account.held(), 50u);
  EXPECT_EQ(c_.account.held(), 10u);
}

TEST_F(BodyBudgetTest, lets_nobody_pass_those_who_wait) {
  EXPECT_EQ(a_.hold(100), "held");
  EXPECT_EQ(b_.hold(50), "waits");
  a_.account.keep(0);
  EXPECT_EQ(c_.hold(10), "waits") << "before the turn's end, too";
  EXPECT_EQ(settle(), (Told{"b has room", "c has room"}));
}

TEST_F(BodyBudgetTest, grants_more_than_all_to_one_who_is_alone) {
  EXPECT_EQ(a_.hold(10), "held");
  EXPECT_EQ(b_.hold(1000), "waits");
  EXPECT_EQ(c_.hold(10), "waits");
  EXPECT_EQ(settle(), Told());
  a_.account.keep(0);
  EXPECT_EQ(settle(), Told{"b has room"});
  EXPECT_EQ(a_.hold(1), "waits");
  b_.account.keep(0);
  EXPECT_EQ(settle(), (Told{"c has room", "a has room"}));
}

TEST_F(BodyBudgetTest, refuses_one_who_holds_some_and_needs_more_than_all) {
  EXPECT_EQ(a_.hold(60), "held");
  EXPECT_EQ(a_.hold(100), "held");
  EXPECT_EQ(a_.hold(101), "refused");
  EXPECT_EQ(a_.account.held(), 100u) << "to be given back by its session";
  a_.account.keep(0);
  EXPECT_EQ(a_.hold(1000), "held");
  EXPECT_EQ(a_.hold(1001), "refused");
}

TEST_F(BodyBudgetTest, lets_those_who_hold_some_go_first) {
  EXPECT_EQ(a_.hold(50), "held");
  EXPECT_EQ(b_.hold(50), "held");
  EXPECT_EQ(c_.hold(10), "waits");
  EXPECT_EQ(a_.hold(60), "waits");
  EXPECT_EQ(settle(), Told());
  b_.account.keep(0);
  EXPECT_EQ(settle(), (Told{"a has room", "c has room"}));
  EXPECT_EQ(a_.account.held(), 60u);
}

TEST_F(BodyBudgetTest, refuses_the_last_of_those_who_wait_for_each_other) {
  EXPECT_EQ(a_.hold(50), "held");
  EXPECT_EQ(b_.hold(50), "held");
  EXPECT_EQ(a_.hold(80), "waits");
  EXPECT_EQ(settle(), Told()) << "b may end";
  EXPECT_EQ(b_.hold(80), "waits");
  EXPECT_EQ(settle(), (Told{"b is refused", "a has room"}));
  EXPECT_EQ(budget_.held(), 80u);
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_TRUE(logged_[0].starts_with("connection b is closed: ")) << logged_[0];
}

TEST_F(BodyBudgetTest, refuses_nobody_while_one_of_those_who_wait_for_each_other_can_go_on) {
  EXPECT_EQ(a_.hold(50), "held");
  EXPECT_EQ(b_.hold(40), "held");
  EXPECT_EQ(a_.hold(80), "waits");
  EXPECT_EQ(b_.hold(45), "waits");
  EXPECT_EQ(settle(), Told{"b has room"});
  b_.account.keep(0);
  EXPECT_EQ(settle(), Told{"a has room"});
}

TEST_F(BodyBudgetTest, refuses_who_is_silent_while_others_wait) {
  EXPECT_EQ(a_.hold(50), "held");
  EXPECT_EQ(b_.hold(50), "held");
  EXPECT_EQ(tick(100), Told()) << "nobody waits";
  EXPECT_EQ(c_.hold(10), "waits");
  EXPECT_EQ(tick(BodyBudget::kSilentTicksMax), Told());
  b_.account.heard();
  EXPECT_EQ(tick(1), Told{"a is refused"});
  EXPECT_EQ(settle(), Told{"c has room"});
  EXPECT_EQ(tick(100), Told()) << "nobody waits any more";
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_NE(logged_[0].find("10 s"), std::string::npos) << logged_[0];
}

TEST_F(BodyBudgetTest, does_not_count_the_silence_of_those_who_are_not_read) {
  EXPECT_EQ(a_.hold(100), "held");
  EXPECT_EQ(c_.hold(10), "waits");
  a_.read = false;
  EXPECT_EQ(tick(100), Told());
  a_.read = true;
  EXPECT_EQ(tick(BodyBudget::kSilentTicksMax), Told());
  EXPECT_EQ(tick(1), Told{"a is refused"});
}

TEST_F(BodyBudgetTest, counts_silence_anew_for_each_who_waits) {
  EXPECT_EQ(a_.hold(100), "held");
  EXPECT_EQ(c_.hold(10), "waits");
  EXPECT_EQ(tick(BodyBudget::kSilentTicksMax), Told());
  c_.account.keep(0);
  EXPECT_TRUE(budget_.wants_ticks());
  EXPECT_EQ(tick(1), Told());
  EXPECT_FALSE(budget_.wants_ticks());
  EXPECT_EQ(c_.hold(10), "waits");
  EXPECT_EQ(tick(BodyBudget::kSilentTicksMax), Told());
  EXPECT_EQ(tick(1), Told{"a is refused"});
}

TEST_F(BodyBudgetTest, forgets_who_stops_waiting_or_is_gone) {
  EXPECT_EQ(a_.hold(100), "held");
  EXPECT_EQ(b_.hold(50), "waits");
  EXPECT_EQ(c_.hold(50), "waits");
  b_.account.keep(0);
  {
    Peer gone(budget_, "gone", told_);
    EXPECT_EQ(gone.hold(10), "waits");
  }
  a_.account.keep(30);
  EXPECT_EQ(settle(), Told{"c has room"});
  EXPECT_EQ(budget_.held(), 80u);
}

TEST_F(BodyBudgetTest, each_shard_has_a_part_and_not_too_small_a_one) {
  EXPECT_EQ(BodyBudget::share_of(1), BodyBudget::kNodeBytes);
  EXPECT_EQ(BodyBudget::share_of(2), BodyBudget::kNodeBytes / 2);
  EXPECT_EQ(BodyBudget::share_of(1024), BodyBudget::kShardBytesMin);
}

// Whatever connections do: no more is held than there is (but by one alone), and if each lets its bodies end
// when it may go on, everybody who is not refused gets what it waits for.
TEST(BodyBudget, neither_gives_out_too_much_nor_leaves_anyone_waiting) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng random(seed);
    std::vector<std::string> told;
    BodyBudget budget(kBudget, [](std::string_view) {});
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 8; ++i) peers.push_back(std::make_unique<Peer>(budget, std::to_string(i), told));
    const auto check = [&] {
      std::uint64_t sum = 0;
      std::size_t holders = 0;
      for (const auto& peer : peers) {
        sum += peer->account.held();
        holders += peer->account.held() != 0;
      }
      ASSERT_EQ(sum, budget.held());
      ASSERT_TRUE(sum <= kBudget || holders == 1) << sum << " by " << holders;
    };
    for (int step = 0; step < 200; ++step) {
      Peer& peer = *peers[random.below(peers.size())];
      const std::uint64_t held = peer.account.held();
      if (random.one_in(3) || peer.account.waits()) {
        if (!peer.account.waits() || random.one_in(8)) peer.account.keep(held / 2);
      } else if (peer.hold(held + 1 + random.below(random.one_in(10) ? 150 : 50)) == "refused") {
        peer.account.keep(0);
      }
      if (random.one_in(2)) budget.settle();
      check();
    }
    for (int round = 0; round < 100; ++round) {
      budget.settle();
      check();
      for (const auto& peer : peers) {
        if (!peer->account.waits()) peer->account.keep(0);
      }
    }
    EXPECT_EQ(budget.held(), 0u);
    for (const auto& peer : peers) EXPECT_TRUE(peer->account.idle());
  }
}

}  // namespace
}  // namespace millrace::broker
