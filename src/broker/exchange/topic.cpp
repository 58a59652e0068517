#include "broker/exchange/topic.hpp"

namespace millrace::broker {
namespace {

// The words of a key. The empty key has none; ".." has three empty ones.
class Words {
 public:
  explicit Words(std::string_view key) noexcept : rest_(key), more_(!key.empty()) {}
  bool next(std::string_view& word) noexcept {
    if (!more_) return false;
    const std::size_t dot = rest_.find('.');
    word = rest_.substr(0, dot);
    more_ = dot != std::string_view::npos;
    if (more_) rest_.remove_prefix(dot + 1);
    return true;
  }

 private:
  std::string_view rest_;
  bool more_;
};

// A run of wildcards with a `#` in it matches what its `*`s followed by one `#` match: at least so many
// words. Written so, every pattern has one form, and `#.#.#` costs no more than `#`.
std::vector<std::string_view> normalised(std::string_view pattern) {
  std::vector<std::string_view> words;
  bool open = false;  // a `#` of the present run is still to be written
  std::string_view word;
  for (Words in(pattern); in.next(word);) {
    if (word == "#") {
      open = true;
      continue;
    }
    if (open && word != "*") {
      words.push_back("#");
      open = false;
    }
    words.push_back(word);
  }
  if (open) words.push_back("#");
  return words;
}

}  // namespace

TopicExchange::TopicExchange(ExchangeSpec spec)
    : Exchange(std::move(spec)), nodes_(1), word_texts_(kFirstWord) {}

TopicExchange::NodeId TopicExchange::child(NodeId node, WordId word) const noexcept {
  if (word == kStar) return nodes_[node].star;
  if (word == kHash) return nodes_[node].hash;
  if (word == kUnknown || nodes_[node].words == 0) return kNone;
  const auto found = children_.find(edge(node, word));
  return found == children_.end() ? kNone : found->second;
}

TopicExchange::NodeId TopicExchange::add_child(NodeId node, std::string_view text) {
  WordId word = text == "*" ? kStar : text == "#" ? kHash : kUnknown;
  if (word == kUnknown) {
    const auto found = words_.find(text);
    if (found != words_.end()) word = found->second.id;
  }
  if (const NodeId there = child(node, word); there != kNone) return there;

  if (word == kUnknown) {
    if (free_words_.empty()) {
      word = static_cast<WordId>(word_texts_.size());
      word_texts_.emplace_back(text);
    } else {
      word = free_words_.back();
      free_words_.pop_back();
      word_texts_[word] = text;
    }
    words_.emplace(std::string(text), Word{word, 0});
  }
  NodeId made;
  if (free_nodes_.empty()) {
    made = static_cast<NodeId>(nodes_.size());
    nodes_.emplace_back();
  } else {
    made = free_nodes_.back();
    free_nodes_.pop_back();
  }
  nodes_[made].parent = node;
  nodes_[made].word = word;
  if (word == kStar) {
    nodes_[node].star = made;
  } else if (word == kHash) {
    nodes_[node].hash = made;
  } else {
    ++words_.find(text)->second.uses;
    ++nodes_[node].words;
    children_.emplace(edge(node, word), made);
  }
  return made;
}

TopicExchange::NodeId TopicExchange::find_pattern(const std::vector<std::string_view>& words) const noexcept {
  NodeId node = kRoot;
  for (const std::string_view text : words) {
    WordId word = text == "*" ? kStar : text == "#" ? kHash : kUnknown;
    if (word == kUnknown) {
      const auto found = words_.find(text);
      if (found != words_.end()) word = found->second.id;
    }
    node = child(node, word);
    if (node == kNone) return kNone;
  }
  return node;
}

// Removes the node, and those above it, that lead nowhere any more.
void TopicExchange::prune(NodeId node) {
  while (node != kRoot && nodes_[node].targets.empty() && nodes_[node].leaf()) {
    const NodeId parent = nodes_[node].parent;
    const WordId word = nodes_[node].word;
    if (word == kStar) {
      nodes_[parent].star = kNone;
    } else if (word == kHash) {
      nodes_[parent].hash = kNone;
    } else {
      children_.erase(edge(parent, word));
      --nodes_[parent].words;
      const auto entry = words_.find(word_texts_[word]);
      if (--entry->second.uses == 0) {
        words_.erase(entry);
        free_words_.push_back(word);
      }
    }
    nodes_[node] = Node{};
    free_nodes_.push_back(node);
    node = parent;
  }
}

void TopicExchange::bind(const Target& target, const BindingSpec& binding) {
  NodeId node = kRoot;
  for (const std::string_view word : normalised(binding.routing_key)) node = add_child(node, word);
  nodes_[node].targets.add(target);
}

void TopicExchange::unbind(const Target& target, const BindingSpec& binding) {
  const std::vector<std::string_view> words = normalised(binding.routing_key);
  const NodeId node = find_pattern(words);
  if (node == kNone && !words.empty()) return;
  nodes_[node].targets.remove(target);
  prune(node);
}

void TopicExchange::emit(NodeId node, Targets& out) {
  if (nodes_[node].emitted_at == route_) return;
  nodes_[node].emitted_at = route_;
  nodes_[node].targets.append_to(out);
}

// Puts the node into the next set, and with it what zero words more lead to.
void TopicExchange::activate(NodeId node, Targets& out) {
  while (nodes_[node].active_at != step_) {
    nodes_[node].active_at = step_;
    const bool hash = nodes_[node].word == kHash;
    if (hash && nodes_[node].leaf()) return emit(node, out);  // whatever follows matches
    next_.push_back(node);
    node = nodes_[node].hash;
    if (node == kNone) return;
  }
}

bool TopicExchange::route(const RoutingInput& input, Targets& out) {
  ++route_;
  ++step_;
  next_.clear();
  activate(kRoot, out);

  std::uint32_t steps = 0;
  std::string_view text;
  for (Words words(input.routing_key); words.next(text);) {
    std::swap(current_, next_);
    next_.clear();
    ++step_;
    if (current_.empty()) return true;
    steps += static_cast<std::uint32_t>(current_.size());
    if (steps > kMaxTopicSteps) return false;

    const auto found = words_.find(text);
    const WordId word = found == words_.end() ? kUnknown : found->second.id;
    for (const NodeId id : current_) {
      const Node& node = nodes_[id];
      if (node.word == kHash) activate(id, out);
      if (node.star != kNone) activate(node.star, out);
      if (const NodeId next = child(id, word); next != kNone) activate(next, out);
    }
  }
  for (const NodeId node : next_) emit(node, out);
  return true;
}

}  // namespace millrace::broker
