// Users as the API keeps them; shared by `millrace users` and rabbitmqctl's commands.
#pragma once

#include <string>
#include <vector>

#include "cli/api.hpp"

namespace millrace::cli {

bool user_exists(Api& api, const std::string& name);
// With commas between them. Stops with kRefused (status 404) for nobody.
std::string tags_of_user(Api& api, const std::string& name);
void put_user(Api& api, const std::string& name, const std::string& password, const std::string& tags);
// Keeps the password, whichever way it is stored.
void set_user_tags(Api& api, const std::string& name, const std::vector<std::string>& tags);

}  // namespace millrace::cli
