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

namespace millrace::management {
namespace login {
namespace {

namespace json = boost::json;

bool is_form(const Call& call) {
  const std::string* type = call.find_header("Content-Type");
  if (type == nullptr) return false;
  std::string_view name = std::string_view(*type).substr(0, type->find(';'));
  while (name.ends_with(' ')) name.remove_suffix(1);
  return same_header(name, "application/x-www-form-urlencoded");
}

std::string field(const Pairs& form, std::string_view name) {
  for (const auto& [key, value] : form) {
    if (key == name) return value;
  }
  return {};
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
  if (!is_form(*call)) {
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
