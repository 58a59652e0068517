// A change of the definitions in words, for the audit log: what and whose, never a password or its hash.
#pragma once

#include <string>

#include "broker/definitions/change.hpp"

namespace millrace::broker {

struct ChangeDescription {
  std::string vhost;  // empty: none in particular
  std::string what;   // "put user 'ann' (administrator)"
};
ChangeDescription describe(const Change& change);

}  // namespace millrace::broker
