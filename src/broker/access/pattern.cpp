#include "broker/access/pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <new>

namespace millrace::broker {
namespace {

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const noexcept { pcre2_match_context_free(context); }
};
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const noexcept { pcre2_compile_context_free(context); }
};
using MatchContext = std::unique_ptr<pcre2_match_context, FreeMatchContext>;

// Written once; pcre2_match only reads it.
pcre2_match_context* limits() {
  static const MatchContext context = [] {
    MatchContext made(pcre2_match_context_create(nullptr));
    if (made == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit(made.get(), Pattern::kMatchLimit);
    pcre2_set_depth_limit(made.get(), Pattern::kMatchLimit);
    pcre2_set_heap_limit(made.get(), Pattern::kHeapLimitKib);
    return made;
  }();
  return context.get();
}

// Where there are no bytes, PCRE2 still wants somewhere to point.
PCRE2_SPTR units(std::string_view text) noexcept {
  return reinterpret_cast<PCRE2_SPTR>(text.data() != nullptr ? text.data() : "");
}

}  // namespace

void Pattern::Free::operator()(void* code) const noexcept {
  pcre2_code_free(static_cast<pcre2_code*>(code));
}

Pattern::Pattern(std::string_view text) {
  if (text.size() > kMaxBytes) return;
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_parens_nest_limit(context.get(), 200);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_.reset(pcre2_compile(units(text), text.size(), PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                            context.get()));
}

Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

bool Pattern::search(std::string_view subject) const {
  if (code_ == nullptr) return false;
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  if (data == nullptr) throw std::bad_alloc();
  return pcre2_match(static_cast<const pcre2_code*>(code_.get()), units(subject), subject.size(), 0, 0,
                     data.get(), limits()) >= 0;
}

}  // namespace millrace::broker
