// What scopes of a token allow, as RabbitMQ's plug-in for OAuth 2 reads them:
//
//   PREFIX read:VHOST/NAME[/ROUTING-KEY]     likewise write: and configure:
//   PREFIX tag:administrator                 likewise the other tags
//
// Each part is a pattern in which * stands for any text; characters that mean something in a scope are
// written as %2F and the like. A vhost may be entered by whoever has a permission there. Of topic exchanges,
// routing keys count for those scopes alone that have a pattern for them. Scopes without the prefix are of
// others.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/authority.hpp"

namespace millrace::auth {

struct Scopes {
  std::shared_ptr<const broker::Rights> rights;
  std::vector<std::string> tags;
};

Scopes read_scopes(std::span<const std::string> scopes, std::string_view prefix);

}  // namespace millrace::auth
