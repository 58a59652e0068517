#include "management/definitions_import.hpp"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <utility>

#include "broker/access/password.hpp"
#include "management/json_values.hpp"
#include "net/text_file.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;
using broker::Change;

// An element that is not as it should be; caught where the import began.
struct Refused {
  std::string text;
};

// One element of a list: reads its members, and knows what to call it in an error.
class Element {
 public:
  Element(std::string where, const json::value& value) : where_(std::move(where)) {
    object_ = value.if_object();
    if (object_ == nullptr) refuse("must be an object");
    if (const auto* name = find("name"); name != nullptr && name->is_string()) {
      where_ += " (name '" + std::string(name->get_string()) + "')";
    }
  }

  [[noreturn]] void refuse(const std::string& why) const { throw Refused{where_ + ": " + why}; }

  const json::value* find(std::string_view key) const {
    const json::value* found = object_->if_contains(key);
    return found == nullptr || found->is_null() ? nullptr : found;
  }

  std::string text(std::string_view key) const {
    const auto found = optional_text(key);
    if (!found) refuse("'" + std::string(key) + "' is missing");
    return *found;
  }
  std::optional<std::string> optional_text(std::string_view key) const {
    const json::value* found = find(key);
    if (found == nullptr) return std::nullopt;
    if (!found->is_string()) refuse("'" + std::string(key) + "' must be text");
    return std::string(found->get_string());
  }
  bool flag(std::string_view key, bool otherwise) const {
    const json::value* found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_bool()) refuse("'" + std::string(key) + "' must be true or false");
    return found->get_bool();
  }
  std::int64_t number(std::string_view key, std::int64_t otherwise) const {
    const json::value* found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_int64()) refuse("'" + std::string(key) + "' must be a whole number");
    return found->get_int64();
  }
  const json::object* object(std::string_view key) const {
    const json::value* found = find(key);
    if (found == nullptr) return nullptr;
    // A language without typed maps writes an empty one as [].
    if (found->is_array() && found->get_array().empty()) return nullptr;
    if (!found->is_object()) refuse("'" + std::string(key) + "' must be an object");
    return &found->get_object();
  }
  broker::Arguments arguments(std::string_view key) const {
    const json::object* found = object(key);
    return found == nullptr ? broker::Arguments() : read_arguments(key, *found);
  }
  // RabbitMQ 3 writes the definition of an operator policy as a list of pairs: [["max-length", 9]].
  broker::Arguments definition() const {
    const json::value* found = find("definition");
    if (found == nullptr) refuse("'definition' is missing");
    if (!found->is_array()) return arguments("definition");
    json::object object;
    for (const json::value& pair : found->get_array()) {
      const bool is_pair = pair.is_array() && pair.get_array().size() == 2 && pair.get_array()[0].is_string();
      if (!is_pair) refuse("'definition' must be an object");
      object[pair.get_array()[0].get_string()] = pair.get_array()[1];
    }
    return read_arguments("definition", object);
  }
  broker::Arguments read_arguments(std::string_view key, const json::object& object) const {
    auto arguments = arguments_from_json(object);
    if (!arguments) refuse("'" + std::string(key) + "': " + arguments.error().text);
    return std::move(*arguments);
  }
  std::vector<std::string> tags() const {
    const json::value* found = find("tags");
    if (found == nullptr) return {};
    auto tags = tags_from_json(*found);
    if (!tags) refuse("'tags' " + tags.error().text);
    return std::move(*tags);
  }

 private:
  std::string where_;
  const json::object* object_ = nullptr;
};

class Importer {
 public:
  Importer(const json::object& root, const RandomBytes& random) : root_(root), random_(random) {}

  // In the order in which one refers to another.
  ImportedDefinitions run() {
    each("users", &Importer::user);
    each("millrace_users", &Importer::user);  // those that RabbitMQ is not to know of
    each("vhosts", &Importer::vhost);
    each("permissions", &Importer::permission);
    each("topic_permissions", &Importer::topic_permission);
    each("global_parameters", &Importer::global_parameter);
    each("parameters", &Importer::parameter);
    each("policies", &Importer::policy);
    each("exchanges", &Importer::exchange);
    each("queues", &Importer::queue);
    each("bindings", &Importer::binding);
    return std::move(imported_);
  }

 private:
  void each(std::string_view key, void (Importer::*take)(const Element&)) {
    const json::value* list = root_.if_contains(key);
    if (list == nullptr || list->is_null()) return;
    if (!list->is_array()) throw Refused{"'" + std::string(key) + "' must be a list"};
    std::size_t i = 0;
    for (const json::value& value : list->get_array()) {
      (this->*take)(Element(std::string(key) + "[" + std::to_string(i++) + "]", value));
    }
  }

  template <class T>
  void put(T change) {
    imported_.changes.push_back(std::move(change));
  }

  void limits(const Element& element, bool of_user, const std::string& subject, std::string_view key) {
    const json::object* limits = element.object(key);
    if (limits == nullptr) return;
    for (const auto& [name, value] : *limits) {
      if (!value.is_int64()) element.refuse("limit '" + std::string(name) + "' must be a whole number");
      put(broker::PutLimit{{of_user, subject, std::string(name), value.get_int64()}});
    }
  }

  void user(const Element& element) {
    broker::UserSpec user{element.text("name"), {}, element.tags()};
    if (const auto own = element.optional_text("millrace_password_hash")) {
      user.password = *own;
    } else if (const auto hash = element.optional_text("password_hash")) {
      const auto algorithm =
          element.optional_text("hashing_algorithm").value_or("rabbit_password_hashing_sha256");
      auto stored = broker::import_rabbitmq_hash(algorithm, *hash);
      if (!stored) element.refuse(stored.error().text);
      user.password = std::move(*stored);
    } else if (const auto password = element.optional_text("password")) {
      std::array<std::uint8_t, 16> salt;
      random_(salt);
      user.password = broker::hash_password(*password, salt);
    } else {
      element.refuse("'password_hash' or 'password' is missing");
    }
    const std::string name = user.name;
    put(broker::PutUser{std::move(user)});
    limits(element, true, name, "limits");
  }

  void vhost(const Element& element) {
    broker::VhostSpec vhost;
    std::optional<bool> is_protected;  // as it is, if the file does not say
    vhost.name = element.text("name");
    vhost.tags = element.tags();
    vhost.description = element.optional_text("description").value_or("");
    vhost.default_queue_type = element.optional_text("default_queue_type").value_or("");
    if (const json::value* metadata = element.find("metadata")) {
      const Element more("vhosts '" + vhost.name + "' metadata", *metadata);
      if (vhost.tags.empty()) vhost.tags = more.tags();
      if (vhost.description.empty()) vhost.description = more.optional_text("description").value_or("");
      if (vhost.default_queue_type.empty()) {
        vhost.default_queue_type = more.optional_text("default_queue_type").value_or("");
      }
      if (more.find("protected_from_deletion") != nullptr) {
        is_protected = more.flag("protected_from_deletion", false);
      }
    }
    // Versions of RabbitMQ without a default say so by this word.
    if (vhost.default_queue_type == "undefined") vhost.default_queue_type.clear();
    const std::string name = vhost.name;
    put(broker::PutVhost{std::move(vhost)});
    if (is_protected) put(broker::ProtectVhost{name, *is_protected});
  }

  void permission(const Element& element) {
    put(broker::PutPermission{{element.text("user"), element.text("vhost"), element.text("configure"),
                               element.text("write"), element.text("read")}});
  }

  void topic_permission(const Element& element) {
    put(broker::PutTopicPermission{{element.text("user"), element.text("vhost"), element.text("exchange"),
                                    element.text("write"), element.text("read")}});
  }

  void policy(const Element& element) {
    put(broker::PutPolicy{read_policy(element, element.text("vhost"), element.text("name"), false)});
  }

  static broker::PolicySpec read_policy(const Element& element, std::string vhost, std::string name,
                                        bool is_operator) {
    broker::PolicySpec policy;
    policy.vhost = std::move(vhost);
    policy.name = std::move(name);
    policy.pattern = element.text("pattern");
    policy.apply_to = element.optional_text("apply-to").value_or("all");
    policy.priority = element.number("priority", 0);
    policy.definition = element.definition();
    policy.is_operator = is_operator;
    return policy;
  }

  // Operator policies and vhost limits are parameters; others belong to plugins, and are kept as they came.
  void parameter(const Element& element) {
    const std::string component = element.text("component");
    const std::string vhost = element.text("vhost");
    const std::string name = element.text("name");
    if (component == "vhost-limits") {
      limits(element, false, vhost, "value");
    } else if (component == "operator_policy") {
      const json::value* value = element.find("value");
      if (value == nullptr) element.refuse("'value' is missing");
      const Element policy("operator policy '" + name + "'", *value);
      put(broker::PutPolicy{read_policy(policy, vhost, name, true)});
    } else {
      const json::value* value = element.find("value");
      if (value == nullptr) element.refuse("'value' is missing");
      put(broker::PutParameter{{vhost, component, name, json::serialize(*value)}});
      imported_.notes.push_back("definitions: parameter '" + name + "' of component '" + component +
                                "' in vhost '" + vhost + "' is kept, but nothing acts on it");
    }
  }

  void global_parameter(const Element& element) {
    const json::value* value = element.find("value");
    if (value == nullptr) element.refuse("'value' is missing");
    put(broker::PutParameter{{"", "", element.text("name"), json::serialize(*value)}});
  }

  void exchange(const Element& element) {
    broker::ExchangeSpec exchange;
    exchange.vhost = element.text("vhost");
    exchange.name = element.text("name");
    exchange.type = element.text("type");
    exchange.durable = element.flag("durable", true);
    exchange.auto_delete = element.flag("auto_delete", false);
    exchange.internal = element.flag("internal", false);
    exchange.arguments = element.arguments("arguments");
    if (exchange.name.empty() || exchange.name.starts_with("amq.")) return;  // every vhost has them
    put(broker::PutExchange{std::move(exchange)});
  }

  void queue(const Element& element) {
    broker::QueueSpec queue;
    queue.vhost = element.text("vhost");
    queue.name = element.text("name");
    if (queue.name.empty()) element.refuse("'name' is empty");
    queue.durable = element.flag("durable", true);
    queue.auto_delete = element.flag("auto_delete", false);
    queue.arguments = element.arguments("arguments");
    // The HTTP API's listings tell the type beside the arguments.
    if (const auto type = element.optional_text("type");
        type && queue.arguments.find("x-queue-type") == nullptr) {
      queue.arguments.set("x-queue-type", broker::Value::text(*type));
    }
    put(broker::PutQueue{std::move(queue)});
  }

  void binding(const Element& element) {
    broker::BindingSpec binding;
    binding.vhost = element.text("vhost");
    binding.source = element.text("source");
    binding.destination = element.text("destination");
    const std::string type = element.text("destination_type");
    if (type != "queue" && type != "exchange") element.refuse("'destination_type' must be queue or exchange");
    binding.to_exchange = type == "exchange";
    binding.routing_key = element.text("routing_key");
    binding.arguments = element.arguments("arguments");
    if (binding.source.empty()) return;  // to the default exchange, by the queue's own name
    put(broker::PutBinding{std::move(binding)});
  }

  const json::object& root_;
  const RandomBytes& random_;
  ImportedDefinitions imported_;
};

}  // namespace

result<ImportedDefinitions> import_definitions(std::string_view text, const RandomBytes& random) {
  boost::system::error_code malformed;
  const json::value root = json::parse(json::string_view(text.data(), text.size()), malformed);
  if (malformed) return fail(Errc::invalid_argument, "is not JSON: " + malformed.message());
  if (!root.is_object()) return fail(Errc::invalid_argument, "the outermost JSON value must be an object");
  try {
    return Importer(root.get_object(), random).run();
  } catch (const Refused& refused) {
    return fail(Errc::invalid_argument, refused.text);
  }
}

result<ImportedDefinitions> read_definitions(const std::string& path, const RandomBytes& random) {
  const auto text = net::read_text_file(path, "definitions ");
  if (!text) return text.error();
  auto imported = import_definitions(*text, random);
  if (!imported) {
    return fail(imported.error().code, "definitions '" + path + "': " + imported.error().text);
  }
  return imported;
}

}  // namespace millrace::management
