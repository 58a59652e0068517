// One request on its way through the API: what was asked, by whom, and how to answer.
//
// Knows nothing of sockets. Thread: the API's.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "broker/connection.hpp"
#include "management/uri.hpp"

namespace millrace::management {

using broker::Done;

struct PageFile;

struct Answer {
  unsigned status = 200;
  std::string body;  // JSON, or empty
  std::string location;
  std::string allow;           // of 405
  bool ask_for_login = false;  // of 401
  std::string_view content_type = "application/json";
  const PageFile* file = nullptr;  // of the web page, rather than JSON
};

struct Route;

struct Call {
  std::string method;
  Target target;
  std::string authorization;  // the header
  broker::ConnectionInfo from;
  std::string body;
  std::string reason;      // the header X-Reason
  bool is_scrape = false;  // came to a socket that serves metrics alone, and logs nobody in

  // Found out by Api::admit.
  const Route* route = nullptr;
  std::vector<std::pair<std::string_view, std::string>> names;  // from the path, by the route's words
  broker::Subject subject;

  // To be called once. A call that goes without an answer ends its connection.
  UniqueFunction<void(Answer)> reply;

  // What the path has at ":word" of the route; asserts that the route has it.
  const std::string& name(std::string_view word) const;
  const std::string* find_name(std::string_view word) const noexcept;
};

using CallRef = std::shared_ptr<Call>;

// RabbitMQ's: {"error": "bad_request", "reason": "…"}.
Answer refusal(unsigned status, std::string_view error, std::string_view reason);
// By the code of the error: 401, 404, 400, 503.
Answer refusal(const Error& error);
Answer json_answer(const boost::json::value& value);

inline void reply(const CallRef& call, Answer answer) {
  call->reply(std::move(answer));
}
// 204, or the refusal.
void reply_done(const CallRef& call, const result<void>& outcome);

// The body as a JSON object; an empty body is an empty object. invalid_argument: RabbitMQ's "not_json".
result<boost::json::object> json_body(const Call& call);

}  // namespace millrace::management
