// /api/definitions
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "management/definitions_export.hpp"
#include "management/definitions_import.hpp"
#include "management/form.hpp"

namespace millrace::management {
namespace definition {
namespace {

namespace json = boost::json;

void export_all(Api& api, const CallRef& call) {
  reply(call, json_answer(export_definitions(api)));
}

void export_one(Api& api, const CallRef& call) {
  reply(call, json_answer(export_vhost(api, *api.model().find_vhost(call->name("vhost")))));
}

void import(Api& api, const CallRef& call, const result<ImportedDefinitions>& imported) {
  if (imported.has_error()) return reply(call, refusal(imported.error()));
  api.core().change(call->subject, imported->changes, [call](result<void> outcome) {
    if (outcome.has_error()) return reply(call, refusal(400, "bad_request", outcome.error().text));
    reply_done(call, outcome);
  });
}

// A form's file, as RabbitMQ's page sends it, becomes the body.
void unpack_form(Call& call) {
  const auto file = form_field(call.content_type(), call.body, "file");
  if (file) call.body = std::string(*file);
}

void import_all(Api& api, const CallRef& call) {
  unpack_form(*call);
  import(api, call, import_definitions(call->body, api.options().random));
}

// A document of one vhost does not name it.
void import_one(Api& api, const CallRef& call) {
  unpack_form(*call);
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  for (const std::string_view key : {"policies", "queues", "exchanges", "bindings", "parameters"}) {
    json::value* list = body->if_contains(key);
    if (list == nullptr || !list->is_array()) continue;
    for (json::value& item : list->get_array()) {
      if (item.is_object()) item.get_object()["vhost"] = call->name("vhost");
    }
  }
  for (const std::string_view key : {"users", "millrace_users", "vhosts", "permissions", "topic_permissions"})
    body->erase(key);
  import(api, call, import_definitions(json::serialize(*body), api.options().random));
}

constexpr Route kRoutes[] = {
    {"GET", "/definitions", Door::administrator, export_all},
    {"POST", "/definitions", Door::administrator, import_all, true},
    {"GET", "/all-configuration", Door::administrator, export_all},
    {"POST", "/all-configuration", Door::administrator, import_all, true},
    {"GET", "/definitions/:vhost", Door::administrator_of, export_one},
    {"POST", "/definitions/:vhost", Door::administrator_of, import_one, true},
};

}  // namespace
}  // namespace definition

std::span<const Route> definition_routes() {
  return definition::kRoutes;
}

}  // namespace millrace::management
