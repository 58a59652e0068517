// /api/login: a form with a name and a password, and what to send from then on.
//
// There is no session and no cookie: the token is what HTTP Basic wants, and the server remembers nothing. So
// nothing that a browser sends by itself lets anybody in, and a page of another site can ask for nothing.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/base64.hpp"
#include "base/secret.hpp"
#include "base/utf8.hpp"
#include "management/api.hpp"
#include "management/cloud_events.hpp"

namespace millrace::management {
namespace login {
namespace {

namespace json = boost::json;

std::string field(const Pairs& form, std::string_view name) {
  const std::string* value = find_in(form, name);
  return value == nullptr ? std::string() : *value;
}

json::object logged_in(const broker::Subject& subject, std::string_view password) {
  json::array tags;
  for (const std::string& tag : subject.tags) tags.push_back(json::string(as_utf8(tag)));
  json::object user;
  user["name"] = as_utf8(subject.user);
  user["tags"] = std::move(tags);
  user["is_internal_user"] = subject.rights == nullptr;
  json::object token;
  token["type"] = "basic";
  token["value"] = encode_base64(subject.user + ":" + std::string(password));
  json::object item;
  item["token"] = std::move(token);
  item["user"] = std::move(user);
  return item;
}

void log_in(Api& api, const CallRef& call) {
  if (!is_media_type(call->content_type(), "application/x-www-form-urlencoded")) {
    return reply(
        call, refusal(415, "unsupported_media_type", "a login is a form: application/x-www-form-urlencoded"));
  }
  const auto form = parse_pairs(call->body);
  if (!form) return reply(call, refusal(400, "bad_request", "the form is malformed"));
  broker::Credentials credentials{field(*form, "username"), field(*form, "password")};
  const Secret password = credentials.secret;
  api.log_in(call, std::move(credentials), [call, password](std::optional<Answer> refused) {
    reply(call, refused ? std::move(*refused) : json_answer(logged_in(call->subject, password.reveal())));
  });
}

constexpr Route kRoutes[] = {
    {"POST", "/login", Door::stranger, log_in},
};

}  // namespace
}  // namespace login

std::span<const Route> login_routes() {
  return login::kRoutes;
}

}  // namespace millrace::management
