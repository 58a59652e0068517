// Calls as messages: Celery's message protocol, version 2. The name, the id and how to carry it out are
// headers; the body is the JSON array [args, kwargs, {callbacks, errbacks, chain, chord}].
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/buffer.hpp"
#include "client/tasks/inline_text.hpp"
#include "millrace/message.hpp"
#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

// Headers that Celery ignores and hands on.
inline constexpr const char* kDurableResult = "millrace-durable-result";  // the reply queue is durable
inline constexpr const char* kDeaths = "millrace-deaths";  // how many processes died while they worked on it

inline constexpr const char* kPaced = "millrace-paced";      // its rate limit has given it this time
inline constexpr const char* kBarrier = "millrace-barrier";  // CallData::barrier, as JSON

inline constexpr const char* kKeepResult = "millrace-keep-result";  // CallData::keep_result_for, in ms

// What a worker has received, with all that it needs to answer and to send it on.
struct Request {
  CallData call;  // `next` in order; ids and queues of what comes after it as they were given
  // Of one message: a redelivery of it has the same. Celery gives its messages no id; then it is of one
  // attempt at one call.
  InlineText key;
  bool has_message_id = false;
  std::string reply_to;
  std::string correlation_id;  // of answers; empty: the call's id
  std::int64_t retries = 0;
  std::int64_t deaths = 0;
  bool durable_result = false;
  bool paced = false;
  // Shown to people: "(2, 3)".
  std::string args_text;
  std::string kwargs_text;
};

// The first of those that it follows from; itself where that is left empty.
inline const std::string& root_of(const CallData& call) noexcept {
  return call.root_id.empty() ? call.id : call.root_id;
}

inline const std::string& correlation_of(const Request& request) noexcept {
  return request.correlation_id.empty() ? request.call.id : request.correlation_id;
}

// The call as a message, without x-delay and the like. The id has been made.
Message encode_call(const CallData& call, const std::string& reply_to, const std::string& origin);
// The same as what is sent. Returns how many bytes of it are its properties; behind them is its body.
std::size_t encode_call(const CallData& call, const std::string& reply_to, const std::string& origin,
                        std::string_view message_id, bool durable_result, Buffer& content);

// Or why it cannot be read, in a sentence. `properties` as they came, and well formed.
std::variant<Request, std::string> decode_call(ByteView properties, std::string_view body);
std::variant<Request, std::string> decode_call(const Message& message);

// Celery's dictionary of a call inside another one's body, and back. Throws for what is none.
boost::json::object signature_of(const CallData& call, const std::string& reply_to);
CallData call_from_signature(const boost::json::object& signature);

// Arguments as Python would print them, shortened.
std::string python_text(const boost::json::value& value, std::size_t longest = 1024);
std::string python_text(const boost::json::array& list, std::size_t longest = 1024);
std::string python_text(const boost::json::object& dictionary, std::size_t longest = 1024);

}  // namespace millrace::tasks
