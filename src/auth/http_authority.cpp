#include "auth/http_authority.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "broker/access/access_control.hpp"
#include "broker/access/asked_rights.hpp"
#include "broker/access/login_guard.hpp"
#include "broker/connection.hpp"

namespace millrace::auth {
namespace {

using About = broker::RightQuestion::About;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

bool same_word(std::string_view word, std::string_view wanted) {
  return std::equal(word.begin(), word.end(), wanted.begin(), wanted.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

std::string form_of(const broker::RightQuestion& question) {
  std::string form;
  net::add_field(form, "username", question.user);
  net::add_field(form, "vhost", question.vhost);
  switch (question.about) {
    case About::vhost:
      net::add_field(form, "ip", broker::LoginGuard::source_of(question.peer));
      break;
    case About::resource:
      net::add_field(form, "resource", to_string(question.kind));
      net::add_field(form, "name", question.name);
      net::add_field(form, "permission", to_string(question.permission));
      break;
    case About::topic:
      net::add_field(form, "resource", "topic");
      net::add_field(form, "name", question.name);
      net::add_field(form, "permission", to_string(question.permission));
      net::add_field(form, "routing_key", question.routing_key);
      break;
  }
  net::add_field(form, "tags", joined(question.tags));
  return form;
}

}  // namespace

HttpAuthority::HttpAuthority(HttpSettings settings, const LoginKey& key, net::HttpClient& client,
                             runtime::Executor& home, const runtime::Clock& clock, Warn warn)
    : settings_(std::move(settings)),
      key_(key),
      client_(client),
      home_(home),
      clock_(clock),
      warn_(std::move(warn)),
      answers_(settings_.cache) {}

HttpAuthority::Verdict HttpAuthority::read(const result<net::HttpReply>& reply, bool may_have_tags) {
  Verdict verdict;
  if (reply.has_error()) {
    verdict.error = reply.error().text;
    return verdict;
  }
  if (reply->status != 200 && reply->status != 201) {
    verdict.error = "it answers " + std::to_string(reply->status);
    return verdict;
  }
  std::vector<std::string> words = words_of(reply->body);
  if (!words.empty() && same_word(words.front(), "deny")) return verdict;
  if (words.empty() || !same_word(words.front(), "allow") || (words.size() > 1 && !may_have_tags)) {
    verdict.error = "it answers neither allow nor deny";
    return verdict;
  }
  verdict.allowed = true;
  verdict.tags.assign(words.begin() + 1, words.end());
  return verdict;
}

void HttpAuthority::find_out(const std::string& key, const net::Url& url, std::string form,
                             bool may_have_tags) {
  client_.post(url, net::kFormMediaType, std::move(form), settings_.timeout,
               [this, key, may_have_tags](const result<net::HttpReply>& reply) {
                 const Verdict verdict = read(reply, may_have_tags);
                 if (!verdict.error.empty()) warn("the HTTP server that knows users: " + verdict.error);
                 answers_.learn(key, verdict, verdict.error.empty(), clock_.steady());
               });
}

void HttpAuthority::warn(const std::string& line) {
  const runtime::Nanoseconds now = clock_.steady();
  if (now - warned_at_ < kWarnInterval) return;
  warned_at_ = now;
  warn_(line);
}

void HttpAuthority::log_in(broker::AuthorityLogin login, Answer answer) {
  if (login.user.empty()) return answer(fail(Errc::access_refused, "HTTP: no name"));
  auto asked =
      std::make_shared<std::pair<broker::AuthorityLogin, Answer>>(std::move(login), std::move(answer));
  home_.post([this, asked] {
    auto& [who, done] = *asked;
    std::string form;
    net::add_field(form, "username", who.user);
    net::add_field(form, "password", who.secret.reveal());
    const std::string key = "login " + login_mac(key_, who.user, who.secret.reveal());
    const bool is_first =
        answers_.wants(key, clock_.steady(), [this, asked](const Verdict& verdict, runtime::Nanoseconds) {
          auto& [known, decide] = *asked;
          if (!verdict.error.empty()) return decide(fail(Errc::io_error, "HTTP: " + verdict.error));
          if (!verdict.allowed) return decide(fail(Errc::access_refused, "HTTP: denied"));
          broker::Subject subject;
          subject.user = known.user;
          subject.tags = verdict.tags;
          subject.rights = std::make_shared<broker::AskedRights>(*this, std::vector<std::string>());
          decide(std::move(subject));
        });
    if (is_first) find_out(key, settings_.user, std::move(form), true);
  });
}

void HttpAuthority::ask(broker::RightQuestion question, UniqueFunction<void(broker::RightAnswer)> answer) {
  auto done = std::make_shared<UniqueFunction<void(broker::RightAnswer)>>(std::move(answer));
  home_.post([this, question = std::move(question), done] {
    std::string form = form_of(question);
    const net::Url& url = question.about == About::vhost      ? settings_.vhost
                          : question.about == About::resource ? settings_.resource
                                                              : settings_.topic;
    // The form says all that was asked, and the place what about.
    const std::string key = std::to_string(static_cast<int>(question.about)) + ' ' + form;
    const bool is_first =
        answers_.wants(key, clock_.steady(), [done](const Verdict& verdict, runtime::Nanoseconds fresh) {
          (*done)({verdict.allowed, std::chrono::duration_cast<runtime::Milliseconds>(fresh).count()});
        });
    if (is_first) find_out(key, url, std::move(form), false);
  });
}

}  // namespace millrace::auth
