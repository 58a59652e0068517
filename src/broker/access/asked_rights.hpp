// Rights that an authority is asked for one by one.
//
// AskedRights is what a login gives: it knows the vhosts that were asked for, and nothing else. KnownRights
// is a connection's: what has been answered so far, each answer good until it is not fresh any more. Looking
// at a right does not mind how fresh it is: whoever is about to use it has asked before, or it is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/authority.hpp"
#include "broker/text_hash.hpp"

namespace millrace::broker {

class AskedRights final : public Rights {
 public:
  AskedRights(Authority& authority, std::vector<std::string> vhosts)
      : authority_(authority), vhosts_(std::move(vhosts)) {}
  bool may_enter(std::string_view vhost) const override;
  bool may(std::string_view, ResourceKind, std::string_view, Permission) const override { return false; }
  bool may_topic(std::string_view, std::string_view, std::string_view, Permission) const override {
    return false;
  }
  Authority* asks() const noexcept override { return &authority_; }
  const std::vector<std::string>& vhosts() const noexcept { return vhosts_; }

 private:
  Authority& authority_;
  std::vector<std::string> vhosts_;
};

class KnownRights final : public Rights {
 public:
  // Beyond, all are forgotten and asked for again.
  static constexpr std::size_t kMaxKnown = 4096;
  // Also of an answer that is stale at once: who has just been told may act on it.
  static constexpr std::int64_t kFreshMsMin = 1000;

  KnownRights(Authority& authority, std::string vhost) : authority_(authority), vhost_(std::move(vhost)) {}

  bool is_fresh(const RightQuestion& question, std::int64_t now_ns) const;
  void learn(const RightQuestion& question, const RightAnswer& answer, std::int64_t now_ns);

  bool may_enter(std::string_view vhost) const override { return vhost == vhost_; }
  bool may(std::string_view vhost, ResourceKind kind, std::string_view name,
           Permission permission) const override;
  bool may_topic(std::string_view vhost, std::string_view exchange, std::string_view routing_key,
                 Permission permission) const override;
  Authority* asks() const noexcept override { return &authority_; }

 private:
  struct Known {
    bool allowed = false;
    std::int64_t fresh_until_ns = 0;
  };
  const Known* find(const std::string& key) const;

  Authority& authority_;
  std::string vhost_;  // the one that the connection is in
  TextMap<Known> known_;
};

}  // namespace millrace::broker
