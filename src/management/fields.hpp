// Reads the members of a request's JSON object; the first that is not as it should be is remembered.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "broker/value.hpp"

namespace millrace::management {

class Fields {
 public:
  explicit Fields(const boost::json::object& object) : object_(object) {}

  // Null counts as not there.
  const boost::json::value* find(std::string_view key) const;
  std::string text(std::string_view key);  // missing: an error
  std::optional<std::string> optional_text(std::string_view key);
  // "true" and "false" as text as well, which rabbitmqadmin sends.
  bool flag(std::string_view key, bool otherwise);
  // Digits as text as well.
  std::int64_t number(std::string_view key, std::int64_t otherwise);
  broker::Arguments arguments(std::string_view key);
  // "a,b" or ["a", "b"].
  std::vector<std::string> tags(std::string_view key);

  // invalid_argument: "key_missing: name".
  const std::optional<Error>& error() const noexcept { return error_; }

 private:
  void refuse(std::string text);

  const boost::json::object& object_;
  std::optional<Error> error_;
};

}  // namespace millrace::management
