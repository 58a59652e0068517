// AMQP 0-9-1 §3.1.3.3: binding keys are patterns of dot-separated words; `*` stands for one word, `#` for any
// number.
//
// The patterns form a trie whose edges are words. A routing key is read once, word by word, with the set of
// trie nodes that the words so far can lead to; a node is in the set once however many ways lead to it, so
// that no pattern is tried twice at one place and the work is at most words × nodes (bounded besides, by
// kMaxTopicSteps).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "broker/exchange/name_map.hpp"
#include "broker/exchange/target_list.hpp"

namespace millrace::broker {

class TopicExchange final : public Exchange {
 public:
  explicit TopicExchange(ExchangeSpec spec);
  void bind(const Target& target, const BindingSpec& binding) override;
  void unbind(const Target& target, const BindingSpec& binding) override;
  bool route(const RoutingInput& input, Targets& out) override;
  bool by_key_alone() const noexcept override { return true; }

 private:
  using NodeId = std::uint32_t;
  using WordId = std::uint32_t;
  static constexpr NodeId kNone = 0;  // the root is nobody's child
  static constexpr NodeId kRoot = 0;
  static constexpr WordId kUnknown = 0;
  static constexpr WordId kStar = 1;
  static constexpr WordId kHash = 2;
  static constexpr WordId kFirstWord = 3;

  struct Node {
    NodeId parent = kNone;
    WordId word = kUnknown;  // of the edge from the parent
    NodeId star = kNone;
    NodeId hash = kNone;
    std::uint32_t words = 0;       // children by plain words
    std::uint64_t active_at = 0;   // the step at which it was last put into the set
    std::uint64_t emitted_at = 0;  // the route() that last gave its targets
    TargetList targets;
    bool leaf() const noexcept { return star == kNone && hash == kNone && words == 0; }
  };
  struct Word {
    WordId id = kUnknown;
    std::uint32_t uses = 0;
  };

  static std::uint64_t edge(NodeId node, WordId word) noexcept {
    return static_cast<std::uint64_t>(node) << 32 | word;
  }
  NodeId child(NodeId node, WordId word) const noexcept;
  NodeId add_child(NodeId node, std::string_view word);
  NodeId find_pattern(const std::vector<std::string_view>& words) const noexcept;
  void prune(NodeId node);
  void activate(NodeId node, Targets& out);
  void emit(NodeId node, Targets& out);

  std::vector<Node> nodes_;
  std::vector<NodeId> free_nodes_;
  boost::unordered_flat_map<std::uint64_t, NodeId> children_;  // by edge(), plain words only
  NameMap<Word> words_;
  std::vector<std::string> word_texts_;  // by id, to find a word's entry again when its last edge goes
  std::vector<WordId> free_words_;

  // Of the route() under way; kept for their room.
  std::vector<NodeId> current_, next_;
  std::uint64_t step_ = 0;
  std::uint64_t route_ = 0;
};

}  // namespace millrace::broker
