#include "auth/ldap_authority.hpp"

#include <algorithm>
#include <utility>

#include "base/hex.hpp"
#include "broker/access/access_control.hpp"
#include "broker/connection.hpp"
#include "net/text_file.hpp"

namespace millrace::auth {
namespace {

// Everything in some vhosts, nothing elsewhere.
class VhostRights final : public broker::Rights {
 public:
  // `all`: whatever the vhost's name.
  VhostRights(bool all, std::vector<std::string> vhosts) : all_(all), vhosts_(std::move(vhosts)) {}
  bool may_enter(std::string_view vhost) const override {
    return all_ || std::find(vhosts_.begin(), vhosts_.end(), vhost) != vhosts_.end();
  }
  bool may(std::string_view vhost, broker::ResourceKind, std::string_view,
           broker::Permission) const override {
    return may_enter(vhost);
  }
  bool may_topic(std::string_view vhost, std::string_view, std::string_view,
                 broker::Permission) const override {
    return may_enter(vhost);
  }

 private:
  bool all_;
  std::vector<std::string> vhosts_;
};

berval value_of(std::string_view text) {
  return {static_cast<ber_len_t>(text.size()), const_cast<char*>(text.data())};
}

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

// A backslash and two hexadecimal digits stand for a byte in names and in filters alike.
std::string escape_all_but_plain(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '@';
    if (plain) {
      escaped += c;
    } else {
      escaped += '\\';
      put_hex(escaped, byte, 2);
    }
  }
  return escaped;
}

}  // namespace

std::string escape_dn(std::string_view value) {
  return escape_all_but_plain(value);
}

std::string escape_filter(std::string_view value) {
  return escape_all_but_plain(value);
}

std::string fill_in_filter(std::string_view pattern, std::string_view user) {
  std::string filter(pattern);
  replace_all(filter, "${username}", escape_filter(user));
  return filter;
}

std::string fill_in_dn(std::string_view pattern, std::string_view user, std::string_view vhost) {
  std::string dn(pattern);
  // What is filled in has no "${", as both characters are escaped.
  replace_all(dn, "${username}", escape_dn(user));
  replace_all(dn, "${vhost}", escape_dn(vhost));
  return dn;
}

// One connection to the directory, for one login.
class LdapAuthority::Session {
 public:
  Session(const LdapLibrary& library, const LdapSettings& settings)
      : library_(library), settings_(settings) {}
  ~Session() {
    if (handle_ != nullptr) library_.unbind(handle_, nullptr, nullptr);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int bind(const std::string& dn, std::string_view password) {
    int outcome = library_.initialize(&handle_, settings_.url.c_str());
    if (outcome != LDAP_SUCCESS) return outcome;
    const int version = LDAP_VERSION3;
    const auto ms = settings_.timeout.count();
    const timeval limit{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
    const int verify = LDAP_OPT_X_TLS_DEMAND;
    const int oldest = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
    const int fresh = 0;
    const auto set = [&](int option, const void* value) {
      if (outcome == LDAP_SUCCESS) outcome = library_.set_option(handle_, option, value);
    };
    set(LDAP_OPT_PROTOCOL_VERSION, &version);
    set(LDAP_OPT_NETWORK_TIMEOUT, &limit);
    set(LDAP_OPT_TIMEOUT, &limit);
    // Where a directory sends us, nobody has said that it may have the password.
    set(LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    set(LDAP_OPT_X_TLS_REQUIRE_CERT, &verify);
    set(LDAP_OPT_X_TLS_PROTOCOL_MIN, &oldest);
    if (!settings_.ca_file.empty()) set(LDAP_OPT_X_TLS_CACERTFILE, settings_.ca_file.c_str());
    set(LDAP_OPT_X_TLS_NEWCTX, &fresh);
    if (outcome == LDAP_SUCCESS && settings_.start_tls)
      outcome = library_.start_tls(handle_, nullptr, nullptr);
    if (outcome != LDAP_SUCCESS) return outcome;
    berval secret = value_of(password);
    return library_.bind(handle_, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr, nullptr, nullptr);
  }

  // The one whom the filter fits below `base`; empty when it is nobody. `outcome` is LDAP_SIZELIMIT_EXCEEDED
  // when it fits several.
  std::string find(const std::string& base, const std::string& filter, int& outcome) {
    char no_attributes[] = LDAP_NO_ATTRS;
    char* attributes[] = {no_attributes, nullptr};
    const auto ms = settings_.timeout.count();
    timeval limit{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
    LDAPMessage* found = nullptr;
    outcome = library_.search(handle_, base.c_str(), LDAP_SCOPE_SUBTREE, filter.c_str(), attributes, 0,
                              nullptr, nullptr, &limit, 2, &found);
    std::string dn;
    if (outcome == LDAP_SUCCESS) {
      const int entries = library_.count_entries(handle_, found);
      if (entries > 1) outcome = LDAP_SIZELIMIT_EXCEEDED;
      if (entries == 1) {
        char* text = library_.dn_of(handle_, library_.first_entry(handle_, found));
        if (text != nullptr) dn = text;
        library_.free_text(text);
      }
    }
    library_.free_message(found);
    return dn;
  }

  // LDAP_COMPARE_TRUE, or why not.
  int is_member(const std::string& group, const std::string& dn) {
    berval member = value_of(dn);
    return library_.compare(handle_, group.c_str(), settings_.member.c_str(), &member, nullptr, nullptr);
  }

 private:
  const LdapLibrary& library_;
  const LdapSettings& settings_;
  LDAP* handle_ = nullptr;
};

result<Secret> LdapAuthority::read_password(const LdapSettings& settings) {
  if (settings.bind_password_file.empty()) return Secret();
  auto text = net::read_secret_file(settings.bind_password_file);
  // An empty one would bind as nobody, and succeed (RFC 4513 §5.1.2).
  if (text && text->empty())
    return fail(Errc::invalid_argument, "'" + settings.bind_password_file + "' is empty");
  return text;
}

LdapAuthority::LdapAuthority(LdapSettings settings, Secret bind_password,
                             std::shared_ptr<const LdapLibrary> library, const LoginKey& key,
                             std::vector<runtime::DiskExecutor*> threads, runtime::Executor& home,
                             const runtime::Clock& clock, Warn warn)
    : settings_(std::move(settings)),
      bind_password_(std::move(bind_password)),
      library_(std::move(library)),
      key_(key),
      threads_(std::move(threads)),
      home_(home),
      clock_(clock),
      warn_(std::move(warn)),
      answers_(settings_.cache) {}

std::string LdapAuthority::look_up(const std::string& user, const Secret& bind_password,
                                   std::string& error) const {
  Session session(*library_, settings_);
  if (const int bound = session.bind(settings_.bind_dn, bind_password.reveal()); bound != LDAP_SUCCESS) {
    error = "the search's account cannot bind: " + std::string(library_->text_of(bound));
    return {};
  }
  int outcome = LDAP_SUCCESS;
  std::string dn = session.find(settings_.user_base, fill_in_filter(settings_.user_filter, user), outcome);
  if (outcome == LDAP_SIZELIMIT_EXCEEDED) {
    error = "the search for a user finds several";
  } else if (outcome != LDAP_SUCCESS) {
    error = "the search for a user fails: " + std::string(library_->text_of(outcome));
  }
  return dn;
}

LdapAuthority::Verdict LdapAuthority::find_out(const broker::AuthorityLogin& login,
                                               const Secret& bind_password) const {
  Verdict verdict;
  const std::string dn = settings_.user_dn.empty() ? look_up(login.user, bind_password, verdict.error)
                                                   : fill_in_dn(settings_.user_dn, login.user, {});
  if (dn.empty()) return verdict;
  Session session(*library_, settings_);
  const int bound = session.bind(dn, login.secret.reveal());
  if (bound == LDAP_INVALID_CREDENTIALS || bound == LDAP_NO_SUCH_OBJECT || bound == LDAP_INVALID_DN_SYNTAX)
    return verdict;
  if (bound != LDAP_SUCCESS) {
    verdict.error = library_->text_of(bound);
    return verdict;
  }
  // Of a group that is not there, or that the user may not see, nobody is a member.
  const auto is_member = [&](const std::string& group) {
    const int outcome = session.is_member(group, dn);
    const bool is_lost = outcome == LDAP_SERVER_DOWN || outcome == LDAP_TIMEOUT || outcome == LDAP_BUSY ||
                         outcome == LDAP_UNAVAILABLE || outcome == LDAP_CONNECT_ERROR;
    if (is_lost) verdict.error = library_->text_of(outcome);
    return outcome == LDAP_COMPARE_TRUE;
  };
  for (const LdapSettings::Group& group : settings_.tag_groups) {
    if (is_member(fill_in_dn(group.dn, login.user, {}))) verdict.tags.push_back(group.name);
  }
  if (settings_.vhost_group.empty()) {
    verdict.all_vhosts = true;
  } else {
    for (const std::string& vhost : login.vhosts) {
      if (verdict.error.empty() && is_member(fill_in_dn(settings_.vhost_group, login.user, vhost)))
        verdict.vhosts.push_back(vhost);
    }
  }
  verdict.allowed = verdict.error.empty();
  return verdict;
}

void LdapAuthority::log_in(broker::AuthorityLogin login, Answer answer) {
  if (login.user.empty()) return answer(fail(Errc::access_refused, "LDAP: no name"));
  if (pending_.fetch_add(1) >= kMaxPending) {
    --pending_;
    return answer(fail(Errc::io_error, "LDAP: too many logins wait for the directory"));
  }
  struct Asked {
    broker::AuthorityLogin login;
    Answer answer;
    Verdict verdict;
  };
  auto asked = std::make_shared<Asked>(Asked{std::move(login), std::move(answer), {}});
  home_.post([this, asked] {
    const std::string key = login_mac(key_, asked->login.user, asked->login.secret.reveal());
    const bool is_first =
        answers_.wants(key, clock_.steady(), [this, asked](const Verdict& verdict, runtime::Nanoseconds) {
          --pending_;
          if (!verdict.error.empty()) return asked->answer(fail(Errc::io_error, "LDAP: " + verdict.error));
          if (!verdict.allowed) return asked->answer(fail(Errc::access_refused, "LDAP: denied"));
          broker::Subject subject;
          subject.user = asked->login.user;
          subject.tags = verdict.tags;
          subject.rights = std::make_shared<VhostRights>(verdict.all_vhosts, verdict.vhosts);
          asked->answer(std::move(subject));
        });
    if (!is_first) return;
    threads_[next_thread_++ % threads_.size()]->submit(
        [this, asked, password = bind_password_] { asked->verdict = find_out(asked->login, password); },
        [this, asked, key] {
          const Verdict verdict = asked->verdict;
          if (!verdict.error.empty()) warn_("the directory that knows users: " + verdict.error);
          answers_.learn(key, verdict, verdict.error.empty(), clock_.steady());
        });
  });
}

}  // namespace millrace::auth
