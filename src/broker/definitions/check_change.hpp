// What a change of the definitions must be whatever is declared: names that every protocol can say, patterns
// that mean something.
#pragma once

#include "base/result.hpp"
#include "broker/definitions/change.hpp"

namespace millrace::broker {

// AMQP 0-9-1 §4.2.5.3 cannot say longer ones.
inline constexpr std::size_t kMaxNameBytes = 255;
// Of one parameter's JSON.
inline constexpr std::size_t kMaxParameterBytes = 256 * 1024;

// invalid_argument: "exchange name is longer than 255 bytes".
result<void> check_name_length(std::string_view kind, std::string_view name);

// invalid_argument. Changes that remove something are not looked at: what is not there is not removed.
result<void> check_change(const Change& change);

}  // namespace millrace::broker
