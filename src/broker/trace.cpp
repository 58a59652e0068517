#include "broker/trace.hpp"

#include <algorithm>

namespace millrace::broker {
namespace {

// The next word of the text, which is cut from it; `last` when none follows.
std::string_view next_word(std::string_view& text, bool& last) {
  const std::size_t dot = text.find('.');
  last = dot == std::string_view::npos;
  const std::string_view word = text.substr(0, dot);
  text.remove_prefix(last ? text.size() : dot + 1);
  return word;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  if (text.empty()) return words;
  for (bool last = false; !last;) words.push_back(next_word(text, last));
  return words;
}

}  // namespace

// Backwards to the last '#' when a word does not fit, which is enough: an earlier one need not take more.
bool topic_matches(std::string_view pattern, std::string_view key) {
  const std::vector<std::string_view> wanted = words_of(pattern), words = words_of(key);
  std::size_t w = 0, k = 0;
  std::size_t hash = SIZE_MAX, hash_end = 0;
  while (k < words.size()) {
    if (w < wanted.size() && wanted[w] == "#") {
      hash = w++;
      hash_end = k;
    } else if (w < wanted.size() && (wanted[w] == "*" || wanted[w] == words[k])) {
      ++w;
      ++k;
    } else if (hash != SIZE_MAX) {
      w = hash + 1;
      k = ++hash_end;
    } else {
      return false;
    }
  }
  return std::all_of(wanted.begin() + static_cast<std::ptrdiff_t>(w), wanted.end(),
                     [](std::string_view word) { return word == "#"; });
}

bool TraceFilter::wants(std::string_view of_vhost, const Message& message,
                        const MessageFormat& format) const {
  if (!vhost.empty() && vhost != of_vhost) return false;
  if (routing_key) {
    const auto fits = [&](std::string_view key) { return topic_matches(*routing_key, key); };
    const auto died_by = [&](const Death& death) {
      return std::any_of(death.routing_keys.begin(), death.routing_keys.end(), fits);
    };
    const Annotations* annotations = message.annotations();
    const bool wanted = fits(message.routing_key()) ||
                        (annotations != nullptr &&
                         std::any_of(annotations->deaths.begin(), annotations->deaths.end(), died_by));
    if (!wanted) return false;
  }
  if (message_id && format.message_id(message) != *message_id) return false;
  return !correlation_id || format.correlation_id(message) == *correlation_id;
}

std::string_view to_string(TraceStep step) noexcept {
  switch (step) {
    case TraceStep::published:
      return "published";
    case TraceStep::queued:
      return "queued";
    case TraceStep::refused:
      return "refused";
    case TraceStep::delivered:
      return "delivered";
    case TraceStep::got:
      return "got";
    case TraceStep::acknowledged:
      return "acknowledged";
    case TraceStep::rejected:
      return "rejected";
    case TraceStep::requeued:
      return "requeued";
    case TraceStep::expired:
      return "expired";
    case TraceStep::dropped:
      return "dropped";
    case TraceStep::given_up:
      return "given up";
    case TraceStep::dead_lettered:
      return "dead-lettered";
  }
  return "published";
}

}  // namespace millrace::broker
