// What an operator says about who else knows users.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "auth/token.hpp"
#include "net/url.hpp"
#include "runtime/clock.hpp"

namespace millrace::auth {

struct TokenSettings {
  TokenRules rules;
  std::string scope_prefix;
  std::string keys_file;
  std::optional<net::Url> keys_url;  // rather than a file
  std::string secret_file;           // of HS256 and the like; empty: those are refused
};

// What is asked of an HTTP server, each at a URL of its own.
struct HttpSettings {
  net::Url user;
  net::Url vhost;
  net::Url resource;
  net::Url topic;
  runtime::Milliseconds timeout{5'000};
  runtime::Milliseconds cache{15'000};  // for how long an answer is good
};

struct LdapSettings {
  // A tag, or a vhost, is for the members of a group.
  struct Group {
    std::string name;  // of the tag
    std::string dn;
  };
  std::string url;         // ldap://host[:port] or ldaps://
  bool start_tls = false;  // ldap:// goes on in TLS
  std::string ca_file;     // PEM; empty: whom the system believes
  // Who logs in binds as this, where ${username} stands for the name; empty: as whom a search finds.
  std::string user_dn;
  std::string user_base;                         // below it the search looks
  std::string user_filter{"(uid=${username})"};  // RFC 4515; must fit one entry
  std::string bind_dn;                           // searches; empty: nobody in particular does (anonymous)
  std::string bind_password_file;
  std::string vhost_group;        // DN with ${vhost} and ${username}; empty: every vhost
  std::string member = "member";  // the attribute of a group that names its members
  std::vector<Group> tag_groups;
  runtime::Milliseconds timeout{5'000};
  runtime::Milliseconds cache{15'000};
};

}  // namespace millrace::auth
