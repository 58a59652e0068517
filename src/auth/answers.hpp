// Answers of somebody who is asked over the network, remembered for a while; those who ask the same meanwhile
// wait for one answer.
//
// Bounds: kMaxKnown answers (beyond, all are forgotten). Thread: its owner's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/task.hpp"
#include "runtime/clock.hpp"

namespace millrace::auth {

template <class Answer>
class Answers {
 public:
  static constexpr std::size_t kMaxKnown = 65'536;
  using Done = UniqueFunction<void(const Answer&, runtime::Nanoseconds fresh)>;

  explicit Answers(runtime::Nanoseconds good_for) : good_for_(good_for) {}

  // True: somebody is to find out, and to call learn(). False: `done` has been called, or will be.
  bool wants(const std::string& key, runtime::Nanoseconds now, Done done) {
    if (const auto known = known_.find(key); known != known_.end()) {
      if (known->second.until > now) {
        done(known->second.answer, known->second.until - now);
        return false;
      }
      known_.erase(known);
    }
    std::vector<Done>& waiting = waiting_[key];
    waiting.push_back(std::move(done));
    return waiting.size() == 1;
  }

  // `keep`: false of what could not be found out.
  void learn(const std::string& key, const Answer& answer, bool keep, runtime::Nanoseconds now) {
    const runtime::Nanoseconds fresh = keep ? good_for_ : runtime::Nanoseconds(0);
    if (fresh.count() > 0) {
      if (known_.size() >= kMaxKnown) known_.clear();
      known_.insert_or_assign(key, Known{answer, now + fresh});
    }
    auto waiting = waiting_.extract(key);
    if (waiting.empty()) return;
    for (Done& done : waiting.mapped()) done(answer, fresh);
  }

 private:
  struct Known {
    Answer answer;
    runtime::Nanoseconds until{};
  };
  runtime::Nanoseconds good_for_;
  std::unordered_map<std::string, Known> known_;
  std::unordered_map<std::string, std::vector<Done>> waiting_;
};

}  // namespace millrace::auth
