// A password or a token: a text that cannot be printed, compared or logged by accident, and is overwritten
// when it goes.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

class Secret {
 public:
  Secret() = default;
  Secret(std::string text) noexcept : text_(std::move(text)) {}
  Secret(const char* text) : text_(text) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  Secret& operator=(Secret other) noexcept {
    wipe();
    text_.swap(other.text_);
    return *this;
  }
  ~Secret() { wipe(); }

  // For whoever verifies it. Not to be kept, and not to become part of a text for people.
  std::string_view reveal() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }

  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;

 private:
  // Written through a volatile pointer, so that it is not left out as of no effect.
  void wipe() noexcept {
    volatile char* at = text_.data();
    for (std::size_t i = 0; i < text_.size(); ++i) at[i] = '\0';
    text_.clear();
  }
  std::string text_;
};

}  // namespace millrace
