#include "management/call.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/assert.hpp"
#include "base/utf8.hpp"
#include "codec/json/parse.hpp"

namespace millrace::management {

namespace json = boost::json;

const std::string* Call::find_name(std::string_view word) const noexcept {
  for (const auto& [key, value] : names) {
    if (key == word) return &value;
  }
  return nullptr;
}

bool same_header(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

const std::string* Call::find_header(std::string_view header) const noexcept {
  for (const auto& [key, value] : headers) {
    if (same_header(key, header)) return &value;
  }
  return nullptr;
}

std::string_view Call::content_type() const noexcept {
  const std::string* header = find_header("Content-Type");
  return header == nullptr ? std::string_view() : std::string_view(*header);
}

const std::string& Call::name(std::string_view word) const {
  const std::string* found = find_name(word);
  MILLRACE_ASSERT(found != nullptr, "a resource asks for a name that its route does not have");
  return *found;
}

Answer refusal(unsigned status, std::string_view error, std::string_view reason) {
  json::object body;
  body["error"] = error;
  body["reason"] = as_utf8(reason);
  Answer answer;
  answer.status = status;
  answer.body = json::serialize(body);
  return answer;
}

Answer refusal(const Error& error) {
  switch (error.code) {
    case Errc::access_refused:
    case Errc::not_allowed:
      return refusal(401, "not_authorized", error.text);
    case Errc::not_found:
      return refusal(404, "not_found", error.text);
    case Errc::resource_locked:
    case Errc::precondition_failed:
    case Errc::not_implemented:
    case Errc::invalid_argument:
    case Errc::content_too_large:
      return refusal(400, "bad_request", error.text);
    case Errc::resource_error:
    case Errc::disk_full:
    case Errc::shutting_down:
      return refusal(503, "service_unavailable", error.text);
    case Errc::io_error:
    case Errc::corrupt:
    case Errc::internal_error:
      return refusal(500, "internal_server_error", error.text);
  }
  return refusal(500, "internal_server_error", error.text);
}

Answer json_answer(const json::value& value) {
  Answer answer;
  answer.body = json::serialize(value);
  return answer;
}

void reply_done(const CallRef& call, const result<void>& outcome) {
  if (outcome.has_error()) return reply(call, refusal(outcome.error()));
  Answer answer;
  answer.status = 204;
  reply(call, std::move(answer));
}

result<json::object> json_body(const Call& call) {
  if (call.body.empty()) return json::object();
  boost::system::error_code malformed;
  json::value value = codec::parse_json(call.body, malformed);
  if (malformed || !value.is_object()) return fail(Errc::invalid_argument, "not_json");
  return std::move(value.get_object());
}

}  // namespace millrace::management
