// Room for message bodies that are still arriving: what all connections of a shard may hold of them beyond
// what each may buffer by itself.
//
// A session holds room through its Account before it takes in a body, and waits while there is none.
// - Those who hold nothing wait first come, first served.
// - Those who hold some already (a second body on another channel) go before them: they must come to an end
//   for anything to be given back. When all who hold also wait, so that nobody would ever end, the last who
//   came is refused.
// - More than the whole budget is granted to one who is alone and holds nothing yet: a single message of any
//   allowed size passes.
// - Who holds room and lets nothing arrive for kSilentTicksMax ticks while others wait is refused.
//
// Thread: the shard's. Owners are called back from settle() and tick() only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string_view>

#include "base/result.hpp"

namespace millrace::broker {

class BodyBudget {
 public:
  // Of all shards together, but at least so much for each.
  static constexpr std::uint64_t kNodeBytes = 128u << 20;
  static constexpr std::uint64_t kShardBytesMin = 16u << 20;
  // How often tick() is to be called while wants_ticks(), and how often it may find a holder silent.
  static constexpr std::uint32_t kTickMs = 1000;
  static constexpr unsigned kSilentTicksMax = 10;

  // Implemented by the session.
  class Owner {
   public:
    // What it waited for is held now.
    virtual void on_body_room() = 0;
    // All that it held is taken back (resource_error): it drops what it has of bodies and ends.
    virtual void on_body_refused(const Error& why) = 0;
    // False while it is kept from reading, so that its silence is not its peer's.
    virtual bool is_read() const noexcept = 0;
    virtual std::string_view peer() const noexcept = 0;  // for the log

   protected:
    ~Owner() = default;
  };

  // What one connection holds or waits for; gives it back when it ends. The budget outlives it.
  class Account {
   public:
    Account(BodyBudget& budget, Owner& owner) noexcept : budget_(&budget), owner_(owner) {}
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;
    ~Account() { keep(0); }

    // Holds `bytes` in all. True: it does. False: it waits, and on_body_room comes. resource_error: it holds
    // some and would need more than there is at all. Not while it waits.
    result<bool> hold(std::uint64_t bytes);
    // Holds at most `bytes` from now on, and waits for nothing.
    void keep(std::uint64_t bytes) noexcept;
    // To another shard's budget, while it is idle.
    void move_to(BodyBudget& budget) noexcept;
    // A part of a body came.
    void heard() noexcept { silent_ticks_ = 0; }

    std::uint64_t held() const noexcept { return held_; }
    bool waits() const noexcept { return wanted_ != 0; }
    bool idle() const noexcept { return held_ == 0 && wanted_ == 0; }

   private:
    friend class BodyBudget;
    BodyBudget* budget_;
    Owner& owner_;
    std::uint64_t held_ = 0;
    std::uint64_t wanted_ = 0;  // in all, while it waits
    unsigned silent_ticks_ = 0;
    std::list<Account*>::iterator holding_at_;  // while it holds something
    std::list<Account*>::iterator waiting_at_;  // while it waits
  };

  // `log` gets a line for each who is refused by settle() or tick().
  BodyBudget(std::uint64_t bytes, std::function<void(std::string_view)> log);
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;
  ~BodyBudget();

  static constexpr std::uint64_t share_of(std::size_t shards) noexcept {
    const std::uint64_t share = kNodeBytes / shards;
    return share < kShardBytesMin ? kShardBytesMin : share;
  }

  // At the end of each turn: gives out what was given back.
  void settle();
  bool wants_ticks() const noexcept { return someone_waits() || ticked_; }
  void tick();

  std::uint64_t held() const noexcept { return held_; }

 private:
  bool someone_waits() const noexcept { return !waiting_.empty() || !waiting_holders_.empty(); }
  bool fits(std::uint64_t more) const noexcept {
    return held_ == 0 || more <= bytes_ - std::min(held_, bytes_);
  }
  bool nobody_ends() const noexcept { return waiting_holders_.size() == holding_.size(); }
  Account* next();
  void set_held(Account& account, std::uint64_t bytes) noexcept;
  void stop_waiting(Account& account) noexcept;
  void refuse(Account& account, std::string_view why);

  const std::uint64_t bytes_;
  const std::function<void(std::string_view)> log_;
  std::uint64_t held_ = 0;  // by all
  std::list<Account*> holding_;
  std::list<Account*> waiting_holders_;
  std::list<Account*> waiting_;  // who hold nothing
  bool ticked_ = false;          // there may be counts of silent ticks to clear
};

}  // namespace millrace::broker
