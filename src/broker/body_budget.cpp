#include "broker/body_budget.hpp"

#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace millrace::broker {

BodyBudget::BodyBudget(std::uint64_t bytes, std::function<void(std::string_view)> log)
    : bytes_(bytes), log_(std::move(log)) {}

BodyBudget::~BodyBudget() {
  MILLRACE_ASSERT(holding_.empty() && !someone_waits(), "a session outlives the budget of its shard");
}

result<bool> BodyBudget::Account::hold(std::uint64_t bytes) {
  MILLRACE_ASSERT(!waits(), "an account waits for one thing at a time");
  if (bytes <= held_) return true;
  if (held_ != 0 && bytes > budget_->bytes_) {
    return fail(Errc::resource_error, "unfinished messages of this connection need " + std::to_string(bytes) +
                                          " bytes, and there are " + std::to_string(budget_->bytes_) +
                                          " for all connections");
  }
  const bool first = held_ == 0 ? !budget_->someone_waits() : budget_->waiting_holders_.empty();
  if (first && budget_->fits(bytes - held_)) {
    budget_->set_held(*this, bytes);
    return true;
  }
  std::list<Account*>& queue = held_ == 0 ? budget_->waiting_ : budget_->waiting_holders_;
  waiting_at_ = queue.insert(queue.end(), this);
  wanted_ = bytes;
  return false;
}

void BodyBudget::Account::keep(std::uint64_t bytes) noexcept {
  if (waits()) budget_->stop_waiting(*this);
  if (bytes < held_) budget_->set_held(*this, bytes);
}

void BodyBudget::Account::move_to(BodyBudget& budget) noexcept {
  MILLRACE_ASSERT(idle(), "what is held or waited for belongs to one shard's budget");
  budget_ = &budget;
}

void BodyBudget::stop_waiting(Account& account) noexcept {
  (account.held_ == 0 ? waiting_ : waiting_holders_).erase(account.waiting_at_);
  account.wanted_ = 0;
}

void BodyBudget::set_held(Account& account, std::uint64_t bytes) noexcept {
  if (account.held_ == 0 && bytes != 0) account.holding_at_ = holding_.insert(holding_.end(), &account);
  if (account.held_ != 0 && bytes == 0) holding_.erase(account.holding_at_);
  held_ = held_ - account.held_ + bytes;
  account.held_ = bytes;
  account.silent_ticks_ = 0;
}

// Who of those that wait is to be granted what it wants, if anyone.
BodyBudget::Account* BodyBudget::next() {
  if (waiting_holders_.empty()) {
    return !waiting_.empty() && fits(waiting_.front()->wanted_) ? waiting_.front() : nullptr;
  }
  for (Account* account : waiting_holders_) {
    if (fits(account->wanted_ - account->held_)) return account;
    if (!nobody_ends()) break;  // what the first lacks will come
  }
  return nullptr;
}

void BodyBudget::settle() {
  while (someone_waits()) {
    if (Account* account = next()) {
      const std::uint64_t bytes = account->wanted_;
      stop_waiting(*account);
      set_held(*account, bytes);
      account->owner_.on_body_room();
    } else if (!waiting_holders_.empty() && nobody_ends()) {
      refuse(*waiting_holders_.back(),
             "unfinished messages of this connection and of others wait for each other");
    } else {
      return;
    }
  }
}

void BodyBudget::tick() {
  ticked_ = someone_waits();
  std::vector<Account*> silent;
  for (Account* account : holding_) {
    const bool counts = ticked_ && !account->waits() && account->owner_.is_read();
    account->silent_ticks_ = counts ? account->silent_ticks_ + 1 : 0;
    if (account->silent_ticks_ > kSilentTicksMax) silent.push_back(account);
  }
  // Refusing one changes nothing about the others: that is for settle().
  for (Account* account : silent) {
    refuse(*account, "nothing of an unfinished message came for " +
                         std::to_string(kSilentTicksMax * kTickMs / 1000) +
                         " s while others waited for its room");
  }
}

void BodyBudget::refuse(Account& account, std::string_view why) {
  Owner& owner = account.owner_;
  account.keep(0);
  log_("connection " + std::string(owner.peer()) + " is closed: " + std::string(why));
  owner.on_body_refused(fail(Errc::resource_error, std::string(why)));
}

}  // namespace millrace::broker
