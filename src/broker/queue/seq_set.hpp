// A set of sequence numbers, for sets that may be large: a third of a byte each where they lie close
// together, some 20 where each is far from the next.
#pragma once

#include <algorithm>
#include <bit>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "base/varint.hpp"

namespace millrace::broker {

class SeqSet {
 public:
  bool empty() const noexcept { return size_ == 0; }
  std::uint64_t size() const noexcept { return size_; }
  bool contains(std::uint64_t seq) const noexcept {
    const auto it = words_.find(seq / 64);
    return it != words_.end() && (it->second & bit(seq)) != 0;
  }
  // Whether it was not there.
  bool insert(std::uint64_t seq) {
    std::uint64_t& word = words_[seq / 64];
    if ((word & bit(seq)) != 0) return false;
    word |= bit(seq);
    ++size_;
    return true;
  }
  // Whether it was there.
  bool erase(std::uint64_t seq) {
    const auto it = words_.find(seq / 64);
    if (it == words_.end() || (it->second & bit(seq)) == 0) return false;
    it->second &= ~bit(seq);
    if (it->second == 0) words_.erase(it);
    --size_;
    return true;
  }
  void insert(const SeqSet& others) {
    for (const auto& [index, others_word] : others.words_) {
      std::uint64_t& word = words_[index];
      size_ += static_cast<std::uint64_t>(std::popcount(others_word & ~word));
      word |= others_word;
    }
  }
  void clear() noexcept {
    words_ = {};
    size_ = 0;
  }

  // Rising: count, then for each 64 numbers of which some are there, how far behind those before (varint) and
  // which of them (u64).
  void put_state(Buffer& out) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> words(words_.begin(), words_.end());
    std::sort(words.begin(), words.end());
    put_varint(out, words.size());
    std::uint64_t before = 0;
    for (const auto& [index, word] : words) {
      put_varint(out, index - std::exchange(before, index));
      out.put_le(word);
    }
  }
  // Latches failure in the reader when cut short.
  void read_state(Reader& in) {
    clear();
    std::uint64_t index = 0;
    for (std::uint64_t count = in.varint(); count > 0 && !in.failed(); --count) {
      index += in.varint();
      const auto word = in.le<std::uint64_t>();
      if (in.failed() || word == 0) continue;
      size_ += static_cast<std::uint64_t>(std::popcount(word & ~std::exchange(words_[index], word)));
    }
  }

 private:
  static constexpr std::uint64_t bit(std::uint64_t seq) noexcept { return std::uint64_t{1} << (seq % 64); }

  boost::unordered_flat_map<std::uint64_t, std::uint64_t> words_;  // by seq / 64; none is 0
  std::uint64_t size_ = 0;
};

}  // namespace millrace::broker
