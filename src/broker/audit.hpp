// What an audit log tells of: who came in, who was refused what, and who changed what is declared.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace millrace::broker {

struct AuditEvent {
  enum class Kind : std::uint8_t {
    login_accepted,
    login_refused,
    access_refused,      // a right that the user does not have
    definition_changed,  // and is on the disk, as far as it is durable
  };
  Kind kind = Kind::login_accepted;
  std::string user;      // as it calls itself, where it was refused
  std::string peer;      // "192.0.2.1:4711"
  std::string protocol;  // "AMQP 0-9-1"; empty: of a user who is long in
  std::string vhost;     // empty: none in particular
  std::string what;      // "put permission of 'u' in '/'"; for refusals what was told to the user
};

// Any thread.
using Audit = std::function<void(const AuditEvent&)>;

}  // namespace millrace::broker
