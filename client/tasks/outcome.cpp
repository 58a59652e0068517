#include "client/tasks/outcome.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>
#include <utility>

#include "millrace/tasks/errors.hpp"
#include "millrace/tasks/function.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

// "std::out_of_range" as "out_of_range": callers in other languages have no namespaces for it.
std::string type_name(const std::exception& error) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status), &std::free);
  const std::string full = status == 0 ? name.get() : typeid(error).name();
  const auto colon = full.find('<') == std::string::npos ? full.rfind("::") : std::string::npos;
  return colon == std::string::npos ? full : full.substr(colon + 2);
}

Outcome make(Outcome::Kind kind, std::string type, std::string text) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.type = std::move(type);
  outcome.text = std::move(text);
  return outcome;
}

}  // namespace

Outcome Outcome::success(json::value value) {
  Outcome outcome;
  outcome.kind = Kind::success;
  outcome.value = std::move(value);
  return outcome;
}

Outcome Outcome::failure(std::string type, std::string text) {
  return make(Kind::failure, std::move(type), std::move(text));
}

Outcome outcome_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Retry& asked) {
    Outcome outcome = make(Outcome::Kind::retry, "Retry", asked.what());
    outcome.after = asked.after();
    return outcome;
  } catch (const Reject& refused) {
    return make(Outcome::Kind::reject, "Reject", refused.what());
  } catch (const Cancelled& cancelled) {
    return make(Outcome::Kind::cancelled, "TaskRevokedError", cancelled.what());
  } catch (const SoftTimeLimitExceeded& late) {
    return Outcome::failure("SoftTimeLimitExceeded", late.what());
  } catch (const detail::BadArguments& bad) {
    return make(Outcome::Kind::bad_arguments, "TypeError", bad.what());
  } catch (const TaskError& named) {
    return Outcome::failure(named.type(), named.what());
  } catch (const std::exception& error) {
    return Outcome::failure(type_name(error), error.what());
  } catch (...) {
    return Outcome::failure("Exception", "something that is no std::exception was thrown");
  }
}

json::object to_json(const Outcome& outcome) {
  json::object object{{"kind", static_cast<int>(outcome.kind)},
                      {"value", outcome.value},
                      {"type", outcome.type},
                      {"text", outcome.text}};
  if (outcome.after) object["after"] = outcome.after->count();
  return object;
}

Outcome outcome_from(const json::object& object) {
  Outcome outcome;
  outcome.kind = static_cast<Outcome::Kind>(object.at("kind").to_number<int>());
  outcome.value = object.at("value");
  outcome.type = json::value_to<std::string>(object.at("type"));
  outcome.text = json::value_to<std::string>(object.at("text"));
  if (const json::value* after = object.if_contains("after"))
    outcome.after = Milliseconds(after->to_number<std::int64_t>());
  return outcome;
}

}  // namespace millrace::tasks
