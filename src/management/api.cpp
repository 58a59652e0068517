#include "management/api.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/base64.hpp"

namespace millrace::management {
namespace {

using broker::ManagementRole;

// A pattern without its slashes, and what stands in the path where it has words.
bool match(std::string_view pattern, const std::vector<std::string>& path, std::size_t from, Call& call) {
  call.names.clear();
  std::size_t i = from;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    const std::string_view word = pattern.substr(0, end);
    if (i == path.size()) return false;
    if (word.starts_with(':')) {
      if (path[i].empty()) return false;
      call.names.emplace_back(word.substr(1), path[i]);
    } else if (word != path[i]) {
      return false;
    }
    pattern.remove_prefix(end);
    ++i;
  }
  return i == path.size();
}

// Names of schemes have no case.
bool take_scheme(std::string_view& header, std::string_view scheme) {
  if (header.size() < scheme.size()) return false;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != scheme[i]) return false;
  }
  header.remove_prefix(scheme.size());
  return true;
}

// Basic (RFC 7617), or Bearer (RFC 6750).
std::optional<broker::Credentials> credentials_in(std::string_view header) {
  if (take_scheme(header, "bearer ")) {
    broker::Credentials token;
    token.secret = std::string(header);
    token.is_token = true;
    return token;
  }
  if (!take_scheme(header, "basic ")) return std::nullopt;
  const auto decoded = decode_base64(header);
  if (!decoded) return std::nullopt;
  const std::size_t colon = decoded->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return broker::Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

// A rate needs some time between two looks: looks that are nearer to each other than that have the same one
// before them.
void see(Sight& sight, std::shared_ptr<const broker::NodeStatistics> now) {
  Figures& figures = sight.figures;
  const bool is_first = figures.now == nullptr;
  sight.source = std::move(now);
  auto shown = sight.base ? std::make_shared<const broker::NodeStatistics>(since(*sight.source, *sight.base))
                          : sight.source;
  const auto enough = broker::Management::kStatisticsInterval;
  if (!is_first && (!figures.before || figures.now->taken - figures.before->taken >= enough)) {
    figures.before = figures.now;
    auto by_id = std::make_shared<Figures::ById>();
    for (const auto& connection : figures.before->connections)
      by_id->emplace(connection.id.value, &connection);
    figures.before_by_id = std::move(by_id);
  }
  figures.now = std::move(shown);
}

Answer login_failed(std::string_view reason) {
  Answer answer = refusal(401, "not_authorized", reason);
  answer.ask_for_login = true;
  return answer;
}

}  // namespace

std::vector<Route> all_routes() {
  std::vector<Route> all;
  for (const auto routes :
       {node_routes(),    vhost_routes(),   user_routes(),      permission_routes(), exchange_routes(),
        queue_routes(),   binding_routes(), message_routes(),   move_routes(),       send_routes(),
        receive_routes(), policy_routes(),  parameter_routes(), definition_routes(), connection_routes(),
        health_routes(),  trace_routes(),   log_routes(),       task_routes(),       operating_routes(),
        login_routes(),   quorum_routes()}) {
    all.insert(all.end(), routes.begin(), routes.end());
  }
  return all;
}

Api::Api(broker::Management& core, runtime::Executor& home, runtime::Timers& timers, ApiOptions options)
    : core_(core),
      home_(home),
      timers_(timers),
      options_(std::move(options)),
      routes_(all_routes()),
      consumers_(core, timers, options_.random) {
  core_.attach(home, [this](const broker::Management::Changes& changes) { model_.apply(*changes); });
}

std::vector<ListeningOn> Api::listening() const {
  std::vector<ListeningOn> all = listeners_;
  if (!service_.is_on()) {
    std::erase_if(all, [](const ListeningOn& one) { return one.protocol.starts_with("amqp"); });
  }
  return all;
}

const Route* Api::find_route(Call& call, std::string& allow) {
  const std::vector<std::string>& path = call.target.path;
  if (path.empty()) return nullptr;
  const bool is_metrics = path[0] == "metrics";
  if (call.is_scrape ? !is_metrics : !is_metrics && path[0] != "api") return nullptr;
  const std::string_view method = call.method == "HEAD" ? std::string_view("GET") : call.method;
  const std::span<const Route> routes = is_metrics ? metric_routes() : std::span<const Route>(routes_);
  for (const Route& route : routes) {
    if (!match(route.pattern, path, is_metrics ? 0 : 1, call)) continue;
    const bool refuses_head = route.has_effects && call.method == "HEAD";
    if (route.method == method && !refuses_head) return &route;
    allow += (allow.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET" && !route.has_effects) allow += ", HEAD";
  }
  return nullptr;
}

std::optional<Answer> Api::check_door(const Call& call) const {
  if (call.is_scrape || call.route->door == Door::stranger) return std::nullopt;
  if (auto ok = authorize_role(call.subject, ManagementRole::management); ok.has_error()) {
    return refusal(ok.error());
  }
  const std::string* vhost = call.find_name("vhost");
  const auto refuse_vhost = [] {
    return refusal(401, "not_authorized", "User not authorised to access virtual host");
  };
  const auto role = [&](ManagementRole wanted) -> std::optional<Answer> {
    if (auto ok = authorize_role(call.subject, wanted); ok.has_error()) return refusal(ok.error());
    return std::nullopt;
  };
  const bool vhost_missing = vhost != nullptr && model_.find_vhost(*vhost) == nullptr;
  switch (call.route->door) {
    case Door::stranger:
    case Door::anybody:
      return std::nullopt;
    case Door::vhost:
      if (vhost_missing) return refusal(404, "not_found", "vhost_not_found");
      if (!model_.may_enter(call.subject, *vhost)) return refuse_vhost();
      return std::nullopt;
    case Door::vhost_to_look:
      if (vhost_missing) return nothing_there();
      if (!model_.may_see(call.subject, *vhost)) return refuse_vhost();
      return std::nullopt;
    case Door::monitoring:
      return role(ManagementRole::monitoring);
    case Door::policymaker:
      if (auto refused = role(ManagementRole::policymaker)) return refused;
      if (vhost == nullptr) return std::nullopt;
      if (vhost_missing) return refusal(404, "not_found", "vhost_not_found");
      if (!model_.may_enter(call.subject, *vhost)) return refuse_vhost();
      return std::nullopt;
    case Door::administrator:
      return role(ManagementRole::administrator);
    case Door::administrator_of:
      if (auto refused = role(ManagementRole::administrator)) return refused;
      if (vhost_missing) return refusal(404, "not_found", "vhost_not_found");
      return std::nullopt;
  }
  return refuse_vhost();
}

std::optional<Answer> Api::check_door_aloud(const Call& call) const {
  return aloud(call, check_door(call));
}

std::optional<Answer> Api::aloud(const Call& call, std::optional<Answer> refused) const {
  if (!refused || refused->status != 401 || !options_.audit) return refused;
  broker::AuditEvent event;
  event.kind = broker::AuditEvent::Kind::access_refused;
  event.user = call.subject.user;
  event.peer = call.from.peer;
  event.protocol = call.from.protocol;
  if (const std::string* vhost = call.find_name("vhost")) event.vhost = *vhost;
  event.what = call.method + " /api" + std::string(call.route->pattern) + ": not by this user";
  options_.audit(event);
  return refused;
}

void Api::admit(const CallRef& call, UniqueFunction<void(std::optional<Answer>)> done) {
  std::string allow;
  call->route = find_route(*call, allow);
  if (call->route == nullptr && !allow.empty()) {
    Answer answer = refusal(405, "method_not_allowed", "Method Not Allowed");
    answer.allow = allow;
    return done(std::move(answer));
  }
  if (call->route == nullptr) return done(nothing_there());
  if (call->is_scrape) return done(std::nullopt);
  if (call->route->door == Door::stranger) return done(std::nullopt);
  auto credentials = credentials_in(call->authorization);
  if (!credentials) return done(login_failed("Login failed"));
  verify(call, std::move(*credentials),
         [this, call, done = std::move(done)](std::optional<Answer> refused) mutable {
           done(refused ? std::move(refused) : check_door_aloud(*call));
         });
}

void Api::log_in(const CallRef& call, broker::Credentials credentials,
                 UniqueFunction<void(std::optional<Answer>)> done) {
  verify(call, std::move(credentials),
         [this, call, done = std::move(done)](std::optional<Answer> refused) mutable {
           if (refused) return done(std::move(refused));
           const auto role = authorize_role(call->subject, ManagementRole::management);
           done(role.has_error() ? aloud(*call, refusal(role.error())) : std::nullopt);
         });
}

void Api::verify(const CallRef& call, broker::Credentials credentials,
                 UniqueFunction<void(std::optional<Answer>)> done) {
  if (logins_ == kMaxLogins) {
    return done(refusal(503, "service_unavailable", "too many logins are being verified; try again"));
  }
  ++logins_;
  core_.authenticate(
      std::move(credentials), call->from,
      [this, call, done = std::move(done)](result<broker::Subject> subject) mutable {
        --logins_;
        if (subject.has_value()) {
          call->subject = std::move(*subject);
          return done(std::nullopt);
        }
        // What is wrong with a guess is not the stranger's business, but for where guest may
        // come from.
        const bool remote_guest = subject.error().text.find("localhost") != std::string::npos;
        Answer answer = login_failed(remote_guest ? "User can only log in via localhost" : "Login failed");
        timers_.start(kFailedLoginDelay, [answer = std::move(answer), done = std::move(done)]() mutable {
          done(std::move(answer));
        });
      });
}

void Api::handle(const CallRef& call) {
  MILLRACE_ASSERT(call->route != nullptr, "a call is admitted before it is handled");
  // The vhost may have gone while the body came.
  if (auto refused = check_door_aloud(*call)) return reply(call, std::move(*refused));
  call->route->handler(*this, call);
}

void Api::with_figures(const CallRef& call, Look look) {
  const bool fresh = call->target.is_true("fresh");
  this->look(call, fresh ? broker::Management::Age::none : broker::Management::Age::recent, shown_,
             std::move(look));
}

void Api::with_fresh_figures(const CallRef& call, Look look) {
  this->look(call, broker::Management::Age::none, shown_, std::move(look));
}

void Api::with_raw_figures(const CallRef& call, Look look) {
  this->look(call, broker::Management::Age::recent, raw_, std::move(look));
}

void Api::look(const CallRef& call, broker::Management::Age age, const std::shared_ptr<Sight>& sight,
               Look look) {
  core_.statistics(age, [call, sight, look = std::move(look)](
                            result<std::shared_ptr<const broker::NodeStatistics>> got) mutable {
    if (got.has_error()) return reply(call, refusal(got.error()));
    if (sight->source != *got) see(*sight, std::move(*got));
    look(sight->figures);
  });
}

void Api::reset_figures(const CallRef& call, Task done) {
  core_.statistics(broker::Management::Age::none,
                   [this, call, done = std::move(done)](
                       result<std::shared_ptr<const broker::NodeStatistics>> got) mutable {
                     if (got.has_error()) return reply(call, refusal(got.error()));
                     shown_ = std::make_shared<Sight>();
                     shown_->base = *got;
                     done();
                   });
}

void use_as(Api& api, const CallRef& call, broker::Management::Work work,
            UniqueFunction<void(const CallRef&)> then) {
  api.core().use(call->subject, call->name("vhost"), call->from, std::move(work),
                 [call, then = std::move(then)](result<void> outcome) mutable {
                   if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                   then(call);
                 });
}

Answer put_answer(bool is_new) {
  Answer answer;
  answer.status = is_new ? 201 : 204;
  return answer;
}

Answer nothing_there() {
  return refusal(404, "Object Not Found", "Not Found");
}

}  // namespace millrace::management
