// A text that lies where its owner does, without memory of its own, unless it is long.
#pragma once

#include <boost/container/small_vector.hpp>
#include <string_view>

namespace millrace::tasks {

// Two ids and a number: what a worker looks a call up by.
class InlineText {
 public:
  InlineText() = default;
  explicit InlineText(std::string_view text) { append(text); }

  InlineText& append(std::string_view text) {
    text_.insert(text_.end(), text.begin(), text.end());
    return *this;
  }
  InlineText& assign(std::string_view text) {
    text_.assign(text.begin(), text.end());
    return *this;
  }
  std::string_view view() const noexcept { return {text_.data(), text_.size()}; }

 private:
  boost::container::small_vector<char, 72> text_;
};

}  // namespace millrace::tasks
