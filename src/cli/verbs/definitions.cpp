// definitions export|import
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/definitions_file.hpp"
#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace definition {
namespace {

namespace json = boost::json;

constexpr Argument kOut[] = {{"FILE", "Where to (default: standard output)", false}};
constexpr Argument kIn[] = {{"FILE", "What to import; '-' is standard input"}};
constexpr Option kVhost[] = {{"-p,--vhost", "VHOST", "Of this virtual host alone, without users"}};

std::string path(const Session& session) {
  return list_path(session, "definitions");
}

int save(Session& session) {
  const json::value exported = session.api().get(path(session));
  const std::string file = session.given.text("FILE");
  if (file.empty() || file == "-") {
    print(json::serialize(exported) + "\n");
    return kOk;
  }
  write_definitions(file, json::serialize(exported) + "\n");
  json::object said{{"file", file}};
  std::string sentence = "definitions are in '" + file + "'";
  if (const json::value* without = find_in(exported, "users_without_password_hash");
      without != nullptr && without->is_array() && !without->get_array().empty()) {
    sentence += "; RabbitMQ cannot read the passwords of: " + show_value(*without, Look::text);
    said["users_without_password_hash"] = *without;
  }
  session.say(sentence, said);
  return kOk;
}

int load(Session& session) {
  std::string text = read_whole(session.given.text("FILE"));
  check_definitions(text, session.given.text("FILE"));
  session.api().post_text(path(session), std::move(text));
  session.say("definitions of '" + session.given.text("FILE") + "' are imported", {{"imported", true}});
  return kOk;
}

}  // namespace
}  // namespace definition

std::span<const Verb> definition_verbs() {
  using namespace definition;
  static const Verb verbs[] = {
      {"definitions export", "Write all definitions as RabbitMQ does", kOut, kVhost,
       "millrace definitions export backup.json\nmillrace definitions export -p orders > orders.json", save},
      {"definitions import", "Add what a definitions file has, of Millrace or RabbitMQ", kIn, kVhost,
       "millrace definitions import backup.json", load},
  };
  return verbs;
}

}  // namespace millrace::cli
