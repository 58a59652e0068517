// Consuming for programs: GET …/messages waits for messages, …/events is a stream of them, and both are
// settled by POST …/messages/ack, nack and extend.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>

#include "base/number.hpp"
#include "base/utf8.hpp"
#include "management/api.hpp"
#include "management/cloud_events.hpp"
#include "management/fields.hpp"
#include "management/message_headers.hpp"
#include "management/message_json.hpp"
#include "management/trace_headers.hpp"

namespace millrace::management {
namespace receive {
namespace {

namespace json = boost::json;
using broker::Settlement;
using Messages = std::vector<Consumers::Received>;
using Milliseconds = runtime::Milliseconds;

constexpr std::uint64_t kMaxMessages = broker::Management::kMaxPrefetch;
constexpr std::uint64_t kDefaultPrefetch = 100;
constexpr Milliseconds kMaxWait{300'000};
constexpr Milliseconds kDefaultLease{30'000};
constexpr Milliseconds kMinLease{1'000};
constexpr Milliseconds kMaxLease{12 * 3600 * 1000};
// A stream says something so often, so that what lies between does not take it for dead.
constexpr Milliseconds kKeepAlive{15'000};
// Of a stream, in one piece.
constexpr std::size_t kEventsPerPiece = 64;
constexpr std::size_t kMaxTokens = 10'000;

// "30s", "500ms", "2m"; a bare number is of seconds.
result<Milliseconds> read_duration(std::string_view name, std::string_view text, Milliseconds lowest,
                                   Milliseconds highest) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t of = unit == "ms" ? 1 : unit == "m" ? 60'000 : unit == "s" || unit.empty() ? 1000 : 0;
  const bool in_range = count >= 0 && count <= highest.count();
  if (error != std::errc() || of == 0 || !in_range || Milliseconds(count * of) > highest ||
      Milliseconds(count * of) < lowest) {
    return fail(Errc::invalid_argument,
                std::string(name) + " must be a time from " + std::to_string(lowest.count()) + "ms to " +
                    std::to_string(highest.count() / 1000) + "s, as 500ms, 30s or 2m");
  }
  return Milliseconds(count * of);
}

// The query of a request; the first thing that is wrong with it is remembered.
class Query {
 public:
  explicit Query(const Target& target) : target_(target) {}

  std::uint32_t number(std::string_view name, std::uint64_t otherwise) {
    const std::string* text = target_.find(name);
    if (text == nullptr) return static_cast<std::uint32_t>(otherwise);
    const auto value = whole_number<std::uint64_t>(*text);
    if (!value || *value == 0 || *value > kMaxMessages) {
      refuse(std::string(name) + " must be a number from 1 to " + std::to_string(kMaxMessages));
    }
    return static_cast<std::uint32_t>(value.value_or(0));
  }
  Milliseconds duration(std::string_view name, Milliseconds otherwise, Milliseconds lowest,
                        Milliseconds highest) {
    const std::string* text = target_.find(name);
    if (text == nullptr) return otherwise;
    const auto value = read_duration(name, *text, lowest, highest);
    if (value.has_error()) refuse(value.error().text);
    return value.has_value() ? *value : otherwise;
  }
  void refuse(std::string text) {
    if (!error_) error_ = fail(Errc::invalid_argument, std::move(text));
  }
  const std::optional<Error>& error() const noexcept { return error_; }

 private:
  const Target& target_;
  std::optional<Error> error_;
};

enum class Form : std::uint8_t { json, raw, event, events };

// The first that it names and we can say.
std::optional<Form> form_of(const Call& call) {
  const std::string* accept = call.find_header("Accept");
  if (accept == nullptr || accept->empty()) return Form::json;
  for (std::string_view rest = *accept; !rest.empty();) {
    const std::string_view type = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(type.size() + 1, rest.size()));
    if (is_media_type(type, "application/json") || is_media_type(type, "*/*") ||
        is_media_type(type, "application/*")) {
      return Form::json;
    }
    if (is_media_type(type, "application/octet-stream")) return Form::raw;
    if (is_media_type(type, kCloudEvent)) return Form::event;
    if (is_media_type(type, kCloudEventBatch)) return Form::events;
  }
  return std::nullopt;
}

struct Shape {
  std::string id;
  std::string vhost;
  std::string queue;
  bool base64 = false;

  std::string event(const Consumers::Received& message) const {
    return cloud_event_text(message.delivery, message.properties, vhost, queue,
                            Consumers::token(id, message));
  }
  std::string item(const Consumers::Received& message) const {
    json::object item = message_item(message.delivery, message.properties, UINT64_MAX, base64);
    item["token"] = Consumers::token(id, message);
    return json::serialize(item);
  }
};

Answer raw_answer(const Shape& shape, const Consumers::Received& message) {
  Answer answer;
  answer.body = as_text(message.delivery.message->body());
  const auto& type = message.properties.content_type;
  const bool sayable = type && !type->empty() &&
                       std::all_of(type->begin(), type->end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  answer.headers.emplace_back("Content-Type", sayable ? *type : "application/octet-stream");
  answer.headers.emplace_back("Millrace-Token", Consumers::token(shape.id, message));
  answer.headers.emplace_back("Millrace-Redelivered", message.delivery.redelivered ? "true" : "false");
  answer.headers.emplace_back("Millrace-Exchange", encode_header(message.delivery.message->exchange()));
  answer.headers.emplace_back("Millrace-Routing-Key", encode_header(message.delivery.message->routing_key()));
  put_properties(answer.headers, message.properties);
  put_cloud_headers(answer.headers, message.properties);
  put_trace_headers(answer.headers, message.properties);
  return answer;
}

Answer answer_of(const Shape& shape, Form form, const Messages& messages) {
  Answer answer;
  if (form == Form::raw || form == Form::event) {
    if (messages.empty()) {
      answer.status = 204;
      return answer;
    }
    if (form == Form::raw) return raw_answer(shape, messages.front());
    answer.body = shape.event(messages.front());
    answer.content_type = kCloudEvent;
    return answer;
  }
  answer.body = "[";
  for (const auto& message : messages) {
    if (answer.body.size() > 1) answer.body += ',';
    answer.body += form == Form::events ? shape.event(message) : shape.item(message);
  }
  answer.body += "]";
  if (form == Form::events) answer.content_type = kCloudEventBatch;
  return answer;
}

bool queue_is_there(const Api& api, const Call& call) {
  return api.model().find_queue(call.name("vhost"), call.name("queue")) != nullptr;
}

void receive(Api& api, const CallRef& call) {
  Query query(call->target);
  const auto form = form_of(*call);
  std::uint32_t max = query.number("max", 1);
  const Milliseconds wait = query.duration("wait", Milliseconds(0), Milliseconds(0), kMaxWait);
  const Milliseconds lease = query.duration("lease", kDefaultLease, kMinLease, kMaxLease);
  const bool ack = call->target.is_true("auto_ack");
  if (query.error()) return reply(call, refusal(*query.error()));
  if (!form) return reply(call, refusal(406, "not_acceptable", "messages cannot be shown as that"));
  if (*form == Form::raw || *form == Form::event) max = 1;
  if (!queue_is_there(api, *call)) return reply(call, nothing_there());

  Shape shape{{}, call->name("vhost"), call->name("queue"), call->target.is_true("base64")};
  if (const std::string* id = call->target.find("consumer")) {
    if (!api.consumers().knows(*id, call->subject.user, shape.vhost, shape.queue)) {
      return reply(call, refusal(404, "not_found", "there is no such consumer; its lease may have ended"));
    }
    shape.id = *id;
  } else {
    broker::Management::Subscribe request;
    request.queue = shape.queue;
    request.prefetch = max;
    auto opened = api.consumers().open(call->subject, shape.vhost, call->from, std::move(request),
                                       Consumers::Kind::once, lease);
    if (opened.has_error()) return reply(call, refusal(opened.error()));
    shape.id = std::move(*opened);
  }
  call->watch([&api, id = shape.id] { api.consumers().stop_waiting(id); });
  api.consumers().receive(
      shape.id, max, wait, [&api, call, shape, form = *form, ack](result<Messages> messages) {
        if (messages.has_error()) return reply(call, refusal(messages.error()));
        Answer answer = answer_of(shape, form, *messages);
        answer.sent = [&api, id = shape.id, messages = std::move(*messages), ack](bool arrived) {
          api.consumers().passed_on(id, messages, arrived, ack);
        };
        reply(call, std::move(answer));
      });
}

// Server-Sent Events (WHATWG HTML §9.2): as many messages as the client may leave unsettled, and no more than
// it reads. Whatever it waits for owns it: the next messages, or that some are written.
struct EventStream : std::enable_shared_from_this<EventStream> {
  EventStream(Api& for_api, Shape its_shape) : api(for_api), shape(std::move(its_shape)) {}

  void next() {
    api.consumers().receive(shape.id, kEventsPerPiece, kKeepAlive,
                            [self = shared_from_this()](result<Messages> messages) {
                              if (messages.has_error()) return self->fail(messages.error());
                              self->write(std::move(*messages));
                            });
  }
  void write(Messages messages) {
    if (!stream) return;
    std::string text;
    for (const auto& message : messages) {
      text += "id: " + Consumers::token(shape.id, message) + "\nevent: message\ndata: ";
      text += as_events ? shape.event(message) : shape.item(message);
      text += "\n\n";
    }
    if (messages.empty()) text = ":\n\n";
    stream->write(std::move(text), [self = shared_from_this(), messages = std::move(messages)] {
      self->api.consumers().passed_on(self->shape.id, messages, true, self->ack);
      self->next();
    });
  }
  void fail(const Error& why) {
    if (!stream) return;
    json::object item;
    item["reason"] = as_utf8(why.text);
    stream->write("event: end\ndata: " + json::serialize(item) + "\n\n",
                  [self = shared_from_this()] { self->drop(); });
  }
  void drop() {
    if (auto ended = std::exchange(stream, nullptr)) ended->end();
    api.consumers().close(shape.id);
  }

  Api& api;
  Shape shape;
  std::shared_ptr<AnswerStream> stream;
  bool as_events = false;
  bool ack = false;
};

void stream_events(Api& api, const CallRef& call) {
  Query query(call->target);
  broker::Management::Subscribe request;
  request.queue = call->name("queue");
  request.prefetch = query.number("prefetch", kDefaultPrefetch);
  const std::string* format = call->target.find("format");
  if (format != nullptr && *format != "cloudevents" && *format != "json") {
    query.refuse("format must be json or cloudevents");
  }
  if (query.error()) return reply(call, refusal(*query.error()));
  if (!queue_is_there(api, *call)) return reply(call, nothing_there());
  Shape shape{{}, call->name("vhost"), call->name("queue"), call->target.is_true("base64")};
  auto opened = api.consumers().open(call->subject, shape.vhost, call->from, std::move(request),
                                     Consumers::Kind::stream, kMaxLease);
  if (opened.has_error()) return reply(call, refusal(opened.error()));
  shape.id = std::move(*opened);
  auto events = std::make_shared<EventStream>(api, std::move(shape));
  events->as_events = format != nullptr && *format == "cloudevents";
  events->ack = call->target.is_true("auto_ack");
  // The first outcome decides on the status: what the core refuses is known by then.
  const auto left = [stream = std::weak_ptr(events)] {
    if (const auto still = stream.lock()) still->drop();
  };
  call->watch(left);
  api.consumers().receive(events->shape.id, kEventsPerPiece, Milliseconds(0),
                          [call, events, left](result<Messages> messages) {
                            if (messages.has_error()) return reply(call, refusal(messages.error()));
                            events->stream = call->begin_stream("text/event-stream", left);
                            events->write(std::move(*messages));
                          });
}

void open(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::Management::Subscribe request;
  request.queue = call->name("queue");
  const std::int64_t prefetch = fields.number("prefetch", kDefaultPrefetch);
  request.exclusive = fields.flag("exclusive", false);
  request.priority = fields.number("priority", 0);
  request.tag = fields.optional_text("consumer_tag").value_or("");
  const std::string lease_text = fields.optional_text("lease").value_or("30s");
  if (fields.error()) return reply(call, refusal(*fields.error()));
  const auto lease = read_duration("lease", lease_text, kMinLease, kMaxLease);
  if (lease.has_error()) return reply(call, refusal(lease.error()));
  if (prefetch < 1 || prefetch > static_cast<std::int64_t>(kMaxMessages)) {
    return reply(call,
                 refusal(400, "bad_request", "prefetch must be from 1 to " + std::to_string(kMaxMessages)));
  }
  if (request.tag.size() > 255) return reply(call, refusal(400, "bad_request", "consumer_tag is too long"));
  request.prefetch = static_cast<std::uint32_t>(prefetch);
  if (!queue_is_there(api, *call)) return reply(call, nothing_there());
  const auto opened = api.consumers().open(call->subject, call->name("vhost"), call->from, std::move(request),
                                           Consumers::Kind::lasting, *lease);
  if (opened.has_error()) return reply(call, refusal(opened.error()));
  json::object item;
  item["consumer"] = *opened;
  item["prefetch"] = prefetch;
  item["lease_ms"] = lease->count();
  Answer answer = json_answer(item);
  answer.status = 201;
  reply(call, std::move(answer));
}

void close(Api& api, const CallRef& call) {
  const std::string& id = call->name("consumer");
  if (!api.consumers().knows(id, call->subject.user, call->name("vhost"), call->name("queue"))) {
    return reply(call, nothing_there());
  }
  api.consumers().close(id);
  reply_done(call, {});
}

std::vector<std::string> read_tokens(Fields& fields, std::optional<Error>& error) {
  std::vector<std::string> tokens;
  const json::value* list = fields.find("tokens");
  const auto refuse = [&] {
    error = fail(Errc::invalid_argument,
                 "'tokens' must be a list of at most " + std::to_string(kMaxTokens) + " texts");
  };
  if (list == nullptr || !list->is_array() || list->get_array().size() > kMaxTokens) {
    refuse();
    return tokens;
  }
  for (const json::value& token : list->get_array()) {
    if (!token.is_string()) refuse();
    if (token.is_string()) tokens.emplace_back(token.get_string());
  }
  return tokens;
}

// `how` of the request's fields.
template <class How>
void settle(Api& api, const CallRef& call, How how) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  std::optional<Error> error;
  const auto tokens = read_tokens(fields, error);
  const Settlement wanted = how(fields);
  if (fields.error()) return reply(call, refusal(*fields.error()));
  if (error) return reply(call, refusal(*error));
  const auto outcome =
      api.consumers().settle(call->subject.user, call->name("vhost"), call->name("queue"), tokens, wanted);
  json::object item;
  item["settled"] = outcome.settled;
  json::array unknown;
  for (const std::string& token : outcome.unknown) unknown.push_back(json::string(as_utf8(token)));
  item["unknown"] = std::move(unknown);
  reply(call, json_answer(item));
}

void ack(Api& api, const CallRef& call) {
  settle(api, call, [](Fields&) { return Settlement::ack; });
}

void nack(Api& api, const CallRef& call) {
  settle(api, call, [](Fields& fields) {
    return fields.flag("requeue", true) ? Settlement::requeue_failed : Settlement::reject;
  });
}

void extend(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  std::optional<Error> error;
  const auto tokens = read_tokens(fields, error);
  std::optional<Milliseconds> lease;
  if (const auto text = fields.optional_text("lease")) {
    const auto read = read_duration("lease", *text, kMinLease, kMaxLease);
    if (read.has_error()) return reply(call, refusal(read.error()));
    lease = *read;
  }
  if (fields.error()) return reply(call, refusal(*fields.error()));
  if (error) return reply(call, refusal(*error));
  json::object item;
  item["extended"] =
      api.consumers().extend(call->subject.user, call->name("vhost"), call->name("queue"), tokens, lease);
  reply(call, json_answer(item));
}

constexpr Route kRoutes[] = {
    {"GET", "/queues/:vhost/:queue/messages", Door::vhost, receive, false, true},
    {"GET", "/queues/:vhost/:queue/events", Door::vhost, stream_events, false, true},
    {"POST", "/queues/:vhost/:queue/messages/ack", Door::vhost, ack},
    {"POST", "/queues/:vhost/:queue/messages/nack", Door::vhost, nack},
    {"POST", "/queues/:vhost/:queue/messages/extend", Door::vhost, extend},
    {"POST", "/queues/:vhost/:queue/consumers", Door::vhost, open},
    {"DELETE", "/queues/:vhost/:queue/consumers/:consumer", Door::vhost, close},
};

}  // namespace
}  // namespace receive

std::span<const Route> receive_routes() {
  return receive::kRoutes;
}

}  // namespace millrace::management
