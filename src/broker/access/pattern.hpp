// A regular expression of an administrator's: of permissions, topic permissions, policies. PCRE2, UTF-8,
// searched unanchored.
//
// The pattern is not trusted to be cheap: a search ends after kMatchLimit steps and kHeapLimitKib of memory.
// Whatever cannot be decided does not match: a malformed or overlong pattern, an exceeded limit, a subject
// that is not UTF-8. Immutable, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::broker {

class Pattern {
 public:
  static constexpr std::uint32_t kMatchLimit = 50'000;  // RabbitMQ's
  static constexpr std::uint32_t kHeapLimitKib = 4096;
  static constexpr std::size_t kMaxBytes = 65'536;

  explicit Pattern(std::string_view text);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  bool valid() const noexcept { return code_ != nullptr; }
  bool search(std::string_view subject) const;

 private:
  struct Free {
    void operator()(void* code) const noexcept;
  };
  std::unique_ptr<void, Free> code_;  // pcre2_code: its header stays out of ours
};

}  // namespace millrace::broker
