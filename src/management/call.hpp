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
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Answer {
  unsigned status = 200;
  std::string body;  // JSON, or empty
  std::string location;
  std::string allow;           // of 405
  bool ask_for_login = false;  // of 401
  std::string_view content_type = "application/json";
  const PageFile* file = nullptr;  // of the web page, rather than JSON
  Headers headers;                 // further ones; names and values are fit to be sent
  // Called once: true when the answer was handed to the system, false when it could not be.
  UniqueFunction<void(bool)> sent;
};

// An answer that has no end of its own: what is written goes out as it is.
class AnswerStream {
 public:
  virtual ~AnswerStream() = default;
  // One piece at a time. `written` is called when the system has taken it; never, when the peer is gone, of
  // which `gone` tells.
  virtual void write(std::string piece, Task written) = 0;
  virtual void end() = 0;
};

struct Route;

struct Call {
  std::string method;
  Target target;
  std::string authorization;  // the header
  broker::ConnectionInfo from;
  std::string body;
  std::string reason;      // the header X-Reason
  Headers headers;         // all, as they came
  bool is_scrape = false;  // came to a socket that serves metrics alone, and logs nobody in

  // Found out by Api::admit.
  const Route* route = nullptr;
  std::vector<std::pair<std::string_view, std::string>> names;  // from the path, by the route's words
  broker::Subject subject;

  // To be called once. A call that goes without an answer ends its connection.
  UniqueFunction<void(Answer)> reply;

  // For calls that wait: `gone` is called, once and before the answer, when the peer leaves.
  UniqueFunction<void(Task gone)> watch;
  // Instead of a reply. Begins with the head; `gone` is called once, when the peer left or does not read.
  UniqueFunction<std::shared_ptr<AnswerStream>(std::string_view content_type, Task gone)> begin_stream;

  // The first header of that name, whatever its case; null when there is none.
  const std::string* find_header(std::string_view header) const noexcept;
  // As the header has it, with parameters; empty when there is none.
  std::string_view content_type() const noexcept;
  // What the path has at ":word" of the route; asserts that the route has it.
  const std::string& name(std::string_view word) const;
  const std::string* find_name(std::string_view word) const noexcept;
};

// Names of headers have no case.
bool same_header(std::string_view a, std::string_view b) noexcept;

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
