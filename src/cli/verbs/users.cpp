// users, users add|password|tags|delete
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/users.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace user {
namespace {

constexpr Field kFields[] = {{"NAME", "name"}, {"TAGS", "tags"}, {"LIMITS", "limits"}};

constexpr Argument kName[] = {{"NAME", "The user"}};
constexpr Argument kNameAndTags[] = {
    {"NAME", "The user"}, {"TAG", "management, policymaker, monitoring, administrator", false, true}};
constexpr Option kNewPassword = {
    "--new-password-file", "FILE",
    "A file with the user's password ('-': standard input); else it is asked for"};
constexpr Option kAdd[] = {
    kNewPassword,
    {"--tags", "A,B", "management, policymaker, monitoring, administrator"},
};
constexpr Option kPassword[] = {kNewPassword};

std::string new_password(const Session& session) {
  std::string password;
  if (const auto file = session.given.find("new-password-file")) {
    password = read_secret(*file);
  } else {
    password = ask_secret("New password of " + session.given.text("NAME") + ": ");
    if (ask_secret("The same again: ") != password)
      throw Stop(kBadUse, "the two passwords differ; nothing was changed");
  }
  if (password.empty()) throw Stop(kBadUse, "the password is empty; nothing was changed");
  return password;
}

int list(Session& session) {
  return print_list(session, api_path({"users"}), kFields, "no users");
}

int add(Session& session) {
  const std::string name = session.given.text("NAME");
  if (user_exists(session.api(), name)) {
    throw Stop(kRefused,
               "user '" + name + "' is there already: 'millrace users password' and 'users tags' change it");
  }
  put_user(session.api(), name, new_password(session), session.given.text("tags"));
  session.say(
      "user '" + name + "' is there now; 'millrace permissions set " + name + "' lets it into a virtual host",
      {{"user", name}, {"created", true}});
  return kOk;
}

int change_password(Session& session) {
  const std::string name = session.given.text("NAME");
  const std::string tags = tags_of_user(session.api(), name);
  put_user(session.api(), name, new_password(session), tags);
  session.say("user '" + name + "' has a new password", {{"user", name}, {"password_changed", true}});
  return kOk;
}

int set_tags(Session& session) {
  const std::string name = session.given.text("NAME");
  boost::json::array tags;
  for (const std::string& tag : session.given.list("TAG")) tags.emplace_back(tag);
  set_user_tags(session.api(), name, session.given.list("TAG"));
  session.say(tags.empty() ? "user '" + name + "' has no tags now" : "user '" + name + "' has these tags now",
              {{"user", name}, {"tags", tags}});
  return kOk;
}

int remove(Session& session) {
  const std::string name = session.given.text("NAME");
  session.api().remove(api_path({"users", name}));
  session.say("user '" + name + "' is deleted", {{"user", name}, {"deleted", true}});
  return kOk;
}

}  // namespace
}  // namespace user

std::span<const Verb> user_verbs() {
  using namespace user;
  static const Option sort[] = {list_options()[1], list_options()[2]};
  static const Verb verbs[] = {
      {"users", "List users", {}, sort, "millrace users", list},
      {"users add", "Add a user", kName, kAdd,
       "millrace users add app --new-password-file app.password\nmillrace users add ops --tags monitoring",
       add},
      {"users password", "Change a user's password", kName, kPassword,
       "millrace users password app\nprintf '%s' \"$SECRET\" | millrace users password app "
       "--new-password-file -",
       change_password},
      {"users tags",
       "Set a user's tags; without any, it may not use this command line",
       kNameAndTags,
       {},
       "millrace users tags ops monitoring policymaker",
       set_tags},
      {"users delete", "Delete a user and its permissions", kName, {}, "millrace users delete app", remove},
  };
  return verbs;
}

}  // namespace millrace::cli
