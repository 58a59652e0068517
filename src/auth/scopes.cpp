#include "auth/scopes.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "broker/access/access_control.hpp"

namespace millrace::auth {
namespace {

using broker::Permission;

// What a decoded * is while a pattern is kept: no name has it, being no UTF-8.
constexpr char kAnyText = '\xff';

// A * that is written as %2A stands for itself.
std::optional<std::string> decode(std::string_view pattern) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string text;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*') {
      text += kAnyText;
    } else if (pattern[i] != '%') {
      text += pattern[i];
    } else {
      if (i + 2 >= pattern.size()) return std::nullopt;
      const int high = digit(pattern[i + 1]);
      const int low = digit(pattern[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      text += static_cast<char>(high * 16 + low);
      if (text.back() == kAnyText) return std::nullopt;
      i += 2;
    }
  }
  return text;
}

struct Scope {
  Permission permission = Permission::read;
  std::string vhost;
  std::string name;
  std::optional<std::string> routing_key;
};

// Takes at most the product of their lengths in steps.
bool fits(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t tried = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == kAnyText) {
      star = p++;
      tried = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++tried;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == kAnyText) ++p;
  return p == pattern.size();
}

class ScopeRights final : public broker::Rights {
 public:
  explicit ScopeRights(std::vector<Scope> scopes) : scopes_(std::move(scopes)) {}

  bool may_enter(std::string_view vhost) const override {
    return any([&](const Scope& scope) { return fits(scope.vhost, vhost); });
  }
  bool may(std::string_view vhost, broker::ResourceKind, std::string_view name,
           Permission permission) const override {
    return any([&](const Scope& scope) {
      return scope.permission == permission && fits(scope.vhost, vhost) && fits(scope.name, name);
    });
  }
  bool may_topic(std::string_view vhost, std::string_view exchange, std::string_view routing_key,
                 Permission permission) const override {
    return any([&](const Scope& scope) {
      return scope.routing_key && scope.permission == permission && fits(scope.vhost, vhost) &&
             fits(scope.name, exchange) && fits(*scope.routing_key, routing_key);
    });
  }

 private:
  template <class Allows>
  bool any(Allows allows) const {
    return std::any_of(scopes_.begin(), scopes_.end(), allows);
  }
  std::vector<Scope> scopes_;
};

std::optional<Scope> read_permission(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, Permission>, 3> kKinds{
      {{"read:", Permission::read}, {"write:", Permission::write}, {"configure:", Permission::configure}}};
  for (const auto& [name, permission] : kKinds) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    std::vector<std::string> parts;
    while (true) {
      const std::size_t end = std::min(text.find('/'), text.size());
      auto part = decode(text.substr(0, end));
      if (!part) return std::nullopt;
      parts.push_back(std::move(*part));
      if (end == text.size()) break;
      text.remove_prefix(end + 1);
    }
    if (parts.size() != 2 && parts.size() != 3) return std::nullopt;
    Scope scope{permission, std::move(parts[0]), std::move(parts[1]), std::nullopt};
    if (parts.size() == 3) scope.routing_key = std::move(parts[2]);
    return scope;
  }
  return std::nullopt;
}

}  // namespace

Scopes read_scopes(std::span<const std::string> scopes, std::string_view prefix) {
  constexpr std::string_view kTag = "tag:";
  Scopes read;
  std::vector<Scope> permissions;
  for (std::string_view scope : scopes) {
    if (!scope.starts_with(prefix)) continue;
    scope.remove_prefix(prefix.size());
    if (scope.starts_with(kTag)) {
      read.tags.emplace_back(scope.substr(kTag.size()));
    } else if (auto permission = read_permission(scope)) {
      permissions.push_back(std::move(*permission));
    }
  }
  read.rights = std::make_shared<ScopeRights>(std::move(permissions));
  return read;
}

}  // namespace millrace::auth
