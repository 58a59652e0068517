#include "cli/users.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/listing.hpp"
#include "cli/stop.hpp"

namespace millrace::cli {

namespace json = boost::json;

bool user_exists(Api& api, const std::string& name) {
  try {
    api.get(api_path({"users", name}));
    return true;
  } catch (const Stop& stop) {
    if (stop.http_status() == 404) return false;
    throw;
  }
}

std::string tags_of_user(Api& api, const std::string& name) {
  const json::value user = api.get(api_path({"users", name}));
  const json::value* tags = find_in(user, "tags");
  return tags == nullptr ? "" : show_value(*tags, Look::text);
}

void put_user(Api& api, const std::string& name, const std::string& password, const std::string& tags) {
  api.put(api_path({"users", name}), {{"password", password}, {"tags", tags}});
}

// A PUT without a password would take it away; an exported user carries its hash.
void set_user_tags(Api& api, const std::string& name, const std::vector<std::string>& tags) {
  api.get(api_path({"users", name}));  // 404 for nobody
  const json::value exported = api.get(api_path({"definitions"}));
  for (const char* list : {"users", "millrace_users"}) {
    const json::value* users = find_in(exported, list);
    if (users == nullptr || !users->is_array()) continue;
    for (const json::value& user : users->get_array()) {
      if (text_in(user, "name") != name) continue;
      json::object changed = user.get_object();
      json::array list_of_tags;
      for (const std::string& tag : tags) list_of_tags.emplace_back(tag);
      changed["tags"] = std::move(list_of_tags);
      api.post(api_path({"definitions"}), {{"users", json::array{std::move(changed)}}});
      return;
    }
  }
  throw Stop(kRefused, "user '" + name + "' has gone meanwhile", 404);
}

}  // namespace millrace::cli
