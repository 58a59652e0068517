// Users, vhosts, permissions, policies, parameters and limits.
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cli/listing.hpp"
#include "cli/rabbitmqctl/ctl.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"
#include "cli/users.hpp"

namespace millrace::cli::rabbitmqctl {
namespace access {
namespace {

namespace json = boost::json;

void require_user(Ctl& ctl, const std::string& name) {
  if (!user_exists(ctl.api(), name))
    throw Stop(kNoUser, "Error:\nUser \"" + printable(name) + "\" does not exist");
}

bool vhost_exists(Ctl& ctl, const std::string& name) {
  try {
    ctl.api().get(api_path({"vhosts", name}));
    return true;
  } catch (const Stop& stop) {
    if (stop.http_status() == 404) return false;
    throw;
  }
}

void require_vhost(Ctl& ctl) {
  if (!vhost_exists(ctl, ctl.vhost())) {
    throw Stop(kUnavailable, "Error:\nVirtual host " + printable(ctl.vhost()) + " does not exist");
  }
}

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string password_word(const Ctl& ctl) {
  return ctl.words().size() > 1 ? ctl.word(1) : read_secret("-");
}

json::object object_word(const std::string& text) {
  boost::system::error_code malformed;
  const json::value parsed = json::parse(text, malformed);
  if (malformed || !parsed.is_object())
    throw Stop(kUnavailable, "Error:\nJSON decoding error. Reason: badarg");
  return parsed.get_object();
}

void rows_of(const Ctl& ctl, const json::value& items, const std::vector<std::string>& titles,
             const std::vector<std::string>& paths) {
  std::vector<std::vector<json::value>> rows;
  for (const json::value& item : items.as_array()) {
    std::vector<json::value> row;
    for (const std::string& path : paths) {
      const json::value* value = find_in(item, path);
      row.push_back(value == nullptr ? json::value(nullptr) : *value);
    }
    rows.push_back(std::move(row));
  }
  ctl.rows(titles, rows);
}

// -- users

int add_user(Ctl& ctl) {
  ctl.banner("Adding user " + quoted(ctl.word(0)) + " ...");
  if (user_exists(ctl.api(), ctl.word(0))) {
    throw Stop(kSoftware, "Error:\nUser " + quoted(printable(ctl.word(0))) + " already exists");
  }
  put_user(ctl.api(), ctl.word(0), password_word(ctl), "");
  ctl.banner(
      "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help "
      "set_permissions' "
      "to learn more.");
  return 0;
}

int delete_user(Ctl& ctl) {
  ctl.banner("Deleting user " + quoted(ctl.word(0)) + " ...");
  require_user(ctl, ctl.word(0));
  ctl.api().remove(api_path({"users", ctl.word(0)}));
  return 0;
}

int change_password(Ctl& ctl) {
  ctl.banner("Changing password for user " + quoted(ctl.word(0)) + " ...");
  require_user(ctl, ctl.word(0));
  put_user(ctl.api(), ctl.word(0), password_word(ctl), tags_of_user(ctl.api(), ctl.word(0)));
  return 0;
}

int authenticate_user(Ctl& ctl) {
  ctl.banner("Authenticating user " + quoted(ctl.word(0)) + " ...");
  Settings as_user = ctl.api().settings();
  as_user.user = ctl.word(0);
  as_user.password = password_word(ctl);
  Http http(as_user);
  // Without a tag the user may not ask anything; its password was right all the same.
  const HttpReply reply = http.ask("GET", api_path({"whoami"}));
  if (reply.status == 401 && reply.asks_for_login) {
    throw Stop(kDataError, "Error:\nError: failed to authenticate user " + quoted(printable(ctl.word(0))));
  }
  ctl.line("Success");
  return 0;
}

int set_tags(Ctl& ctl) {
  const std::vector<std::string> tags(ctl.words().begin() + 1, ctl.words().end());
  std::string list;
  for (const std::string& tag : tags) list += (list.empty() ? "" : ", ") + tag;
  ctl.banner("Setting tags for user " + quoted(ctl.word(0)) + " to [" + list + "] ...");
  require_user(ctl, ctl.word(0));
  cli::set_user_tags(ctl.api(), ctl.word(0), tags);
  return 0;
}

int list_users(Ctl& ctl) {
  ctl.banner("Listing users ...");
  rows_of(ctl, ctl.api().get(api_path({"users"})), {"user", "tags"}, {"name", "tags"});
  return 0;
}

// -- vhosts

int add_vhost(Ctl& ctl) {
  ctl.banner("Adding vhost " + quoted(ctl.word(0)) + " ...");
  json::object body;
  if (const auto text = ctl.options().find("description")) body["description"] = *text;
  if (const auto text = ctl.options().find("tags")) body["tags"] = *text;
  if (const auto text = ctl.options().find("default-queue-type")) body["default_queue_type"] = *text;
  ctl.api().put(api_path({"vhosts", ctl.word(0)}), body);
  return 0;
}

// Of commands about a vhost itself, which say it in other words.
void require_named_vhost(Ctl& ctl, const std::string& name) {
  if (!vhost_exists(ctl, name))
    throw Stop(kDataError, "Virtual host '" + printable(name) + "' does not exist");
}

int delete_vhost(Ctl& ctl) {
  ctl.banner("Deleting vhost " + quoted(ctl.word(0)) + " ...");
  require_named_vhost(ctl, ctl.word(0));
  try {
    ctl.api().remove(api_path({"vhosts", ctl.word(0)}));
  } catch (const Stop& stop) {
    if (stop.http_status() != 412) throw;
    throw Stop(kDataError,
               "Cannot delete this virtual host: it is protected from deletion. To lift the protection, "
               "inspect and update its metadata");
  }
  return 0;
}

template <bool kProtect>
int set_vhost_deletion_protection(Ctl& ctl) {
  const std::string vhost = ctl.word(0);
  const std::string path = api_path({"vhosts", vhost, "deletion", "protection"});
  ctl.banner((kProtect ? "Protecting virtual host " + quoted(vhost) + " from removal"
                       : "Removing deletion protection from virtual host " + quoted(vhost)) +
             " by updating its metadata...");
  require_named_vhost(ctl, vhost);
  if (kProtect) {
    ctl.api().post(path, {});
  } else {
    ctl.api().remove(path);
  }
  return 0;
}

// -- permissions

int set_permissions(Ctl& ctl) {
  ctl.banner("Setting permissions for user " + quoted(ctl.word(0)) + " in vhost " + quoted(ctl.vhost()) +
             " ...");
  require_vhost(ctl);
  require_user(ctl, ctl.word(0));
  ctl.api().put(api_path({"permissions", ctl.vhost(), ctl.word(0)}),
                {{"configure", ctl.word(1)}, {"write", ctl.word(2)}, {"read", ctl.word(3)}});
  return 0;
}

// Nothing to take away is no error, as with RabbitMQ.
void remove_if_there(Ctl& ctl, const std::string& path) {
  try {
    ctl.api().remove(path);
  } catch (const Stop& stop) {
    if (stop.http_status() != 404) throw;
  }
}

int clear_permissions(Ctl& ctl) {
  ctl.banner("Clearing permissions for user " + quoted(ctl.word(0)) + " in vhost " + quoted(ctl.vhost()) +
             " ...");
  require_vhost(ctl);
  require_user(ctl, ctl.word(0));
  remove_if_there(ctl, api_path({"permissions", ctl.vhost(), ctl.word(0)}));
  return 0;
}

int list_permissions(Ctl& ctl) {
  ctl.banner("Listing permissions for vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  const std::vector<std::string> columns = {"user", "configure", "write", "read"};
  rows_of(ctl, ctl.api().get(api_path({"vhosts", ctl.vhost(), "permissions"})), columns, columns);
  return 0;
}

int list_user_permissions(Ctl& ctl) {
  ctl.banner("Listing permissions for user " + quoted(ctl.word(0)) + " ...");
  require_user(ctl, ctl.word(0));
  const std::vector<std::string> columns = {"vhost", "configure", "write", "read"};
  rows_of(ctl, ctl.api().get(api_path({"users", ctl.word(0), "permissions"})), columns, columns);
  return 0;
}

int set_topic_permissions(Ctl& ctl) {
  ctl.banner("Setting topic permissions on " + quoted(ctl.word(1)) + " for user " + quoted(ctl.word(0)) +
             " in vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  require_user(ctl, ctl.word(0));
  ctl.api().put(api_path({"topic-permissions", ctl.vhost(), ctl.word(0)}),
                {{"exchange", ctl.word(1)}, {"write", ctl.word(2)}, {"read", ctl.word(3)}});
  return 0;
}

int clear_topic_permissions(Ctl& ctl) {
  const bool one = ctl.words().size() > 1;
  ctl.banner("Clearing topic permissions " + (one ? "on " + quoted(ctl.word(1)) + " " : "") + "for user " +
             quoted(ctl.word(0)) + " in vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  require_user(ctl, ctl.word(0));
  remove_if_there(ctl, one ? api_path({"topic-permissions", ctl.vhost(), ctl.word(0), ctl.word(1)})
                           : api_path({"topic-permissions", ctl.vhost(), ctl.word(0)}));
  return 0;
}

int list_topic_permissions(Ctl& ctl) {
  ctl.banner("Listing topic permissions for vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  const std::vector<std::string> columns = {"user", "exchange", "write", "read"};
  rows_of(ctl, ctl.api().get(api_path({"vhosts", ctl.vhost(), "topic-permissions"})), columns, columns);
  return 0;
}

int list_user_topic_permissions(Ctl& ctl) {
  ctl.banner("Listing topic permissions for user " + quoted(ctl.word(0)) + " ...");
  require_user(ctl, ctl.word(0));
  const std::vector<std::string> columns = {"vhost", "exchange", "write", "read"};
  rows_of(ctl, ctl.api().get(api_path({"users", ctl.word(0), "topic-permissions"})), columns, columns);
  return 0;
}

// -- policies

template <bool kOperator>
int set_policy(Ctl& ctl) {
  const std::string priority = ctl.options().find("priority").value_or("0");
  ctl.banner("Setting " + std::string(kOperator ? "operator policy override " : "policy ") +
             quoted(ctl.word(0)) + " for pattern " + quoted(ctl.word(1)) + " to " + quoted(ctl.word(2)) +
             " with priority " + quoted(priority) + " for vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  json::object body;
  body["pattern"] = ctl.word(1);
  body["definition"] = object_word(ctl.word(2));
  body["priority"] = ctl.options().number("priority", 0, 1'000'000'000);
  if (const auto apply_to = ctl.options().find("apply-to")) body["apply-to"] = *apply_to;
  ctl.api().put(api_path({kOperator ? "operator-policies" : "policies", ctl.vhost(), ctl.word(0)}), body);
  return 0;
}

template <bool kOperator>
int clear_policy(Ctl& ctl) {
  ctl.banner("Clearing " + std::string(kOperator ? "operator policy " : "policy ") + quoted(ctl.word(0)) +
             " on vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  try {
    ctl.api().remove(api_path({kOperator ? "operator-policies" : "policies", ctl.vhost(), ctl.word(0)}));
  } catch (const Stop& stop) {
    if (stop.http_status() == 404) throw Stop(kUnavailable, "Error:\nParameter does not exist");
    throw;
  }
  return 0;
}

template <bool kOperator>
int list_policies(Ctl& ctl) {
  ctl.banner("Listing " + std::string(kOperator ? "operator policy overrides" : "policies") + " for vhost " +
             quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  json::value policies = ctl.api().get(api_path({kOperator ? "operator-policies" : "policies", ctl.vhost()}));
  for (json::value& policy : policies.as_array()) {
    // RabbitMQ shows the definition as the text that it was given as.
    policy.get_object()["definition"] = json::serialize(policy.get_object()["definition"]);
  }
  const std::vector<std::string> columns = {"vhost", "name", "pattern", "apply-to", "definition", "priority"};
  rows_of(ctl, policies, columns, columns);
  return 0;
}

// -- limits

int set_vhost_limits(Ctl& ctl) {
  ctl.banner("Setting vhost limits to " + quoted(ctl.word(0)) + " for vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  for (const auto& [name, value] : object_word(ctl.word(0))) {
    ctl.api().put(api_path({"vhost-limits", ctl.vhost(), name}), {{"value", value}});
  }
  return 0;
}

json::object limits_of_vhost(Ctl& ctl) {
  const json::value lists = ctl.api().get(api_path({"vhost-limits", ctl.vhost()}));
  for (const json::value& list : lists.as_array()) {
    const json::value* value = find_in(list, "value");
    if (value != nullptr && value->is_object()) return value->get_object();
  }
  return {};
}

int clear_vhost_limits(Ctl& ctl) {
  ctl.banner("Clearing vhost " + quoted(ctl.vhost()) + " limits ...");
  require_vhost(ctl);
  for (const auto& [name, value] : limits_of_vhost(ctl))
    remove_if_there(ctl, api_path({"vhost-limits", ctl.vhost(), name}));
  return 0;
}

int list_vhost_limits(Ctl& ctl) {
  ctl.banner("Listing limits for vhost " + quoted(ctl.vhost()) + " ...");
  require_vhost(ctl);
  const json::object limits = limits_of_vhost(ctl);
  ctl.line(limits.empty() ? "" : json::serialize(limits));
  return 0;
}

constexpr Command kCommands[] = {
    {"add_user", "<username> [<password>]", 1, 2, add_user},
    {"authenticate_user", "<username> [<password>]", 1, 2, authenticate_user},
    {"change_password", "<username> [<password>]", 1, 2, change_password},
    {"delete_user", "<username>", 1, 1, delete_user},
    {"list_users", "", 0, 0, list_users},
    {"set_user_tags", "<username> [<tag> ...]", 1, kAnyNumber, set_tags},
    {"add_vhost", "<vhost> [--description <text>] [--tags <tags>] [--default-queue-type <type>]", 1, 1,
     add_vhost},
    {"delete_vhost", "<vhost>", 1, 1, delete_vhost},
    {"enable_vhost_deletion_protection", "<vhost>", 1, 1, set_vhost_deletion_protection<true>},
    {"disable_vhost_deletion_protection", "<vhost>", 1, 1, set_vhost_deletion_protection<false>},
    {"set_permissions", "[--vhost <vhost>] <username> <conf> <write> <read>", 4, 4, set_permissions},
    {"clear_permissions", "[--vhost <vhost>] <username>", 1, 1, clear_permissions},
    {"list_permissions", "[--vhost <vhost>]", 0, 0, list_permissions},
    {"list_user_permissions", "<username>", 1, 1, list_user_permissions},
    {"set_topic_permissions", "[--vhost <vhost>] <username> <exchange> <write> <read>", 4, 4,
     set_topic_permissions},
    {"clear_topic_permissions", "[--vhost <vhost>] <username> [<exchange>]", 1, 2, clear_topic_permissions},
    {"list_topic_permissions", "[--vhost <vhost>]", 0, 0, list_topic_permissions},
    {"list_user_topic_permissions", "<username>", 1, 1, list_user_topic_permissions},
    {"set_policy",
     "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>", 3, 3,
     set_policy<false>},
    {"clear_policy", "[--vhost <vhost>] <name>", 1, 1, clear_policy<false>},
    {"list_policies", "[--vhost <vhost>]", 0, 0, list_policies<false>},
    {"set_operator_policy",
     "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>", 3, 3,
     set_policy<true>},
    {"clear_operator_policy", "[--vhost <vhost>] <name>", 1, 1, clear_policy<true>},
    {"list_operator_policies", "[--vhost <vhost>]", 0, 0, list_policies<true>},
    {"set_vhost_limits", "[--vhost <vhost>] <definition>", 1, 1, set_vhost_limits},
    {"clear_vhost_limits", "[--vhost <vhost>]", 0, 0, clear_vhost_limits},
    {"list_vhost_limits", "[--vhost <vhost>]", 0, 0, list_vhost_limits},
};

}  // namespace
}  // namespace access

std::span<const Command> access_commands() {
  return access::kCommands;
}

}  // namespace millrace::cli::rabbitmqctl
