#include "cli/verb.hpp"

#include <vector>

namespace millrace::cli {
namespace {

constexpr Option kConnectionOptions[] = {
    {"--http", "HOST:PORT", "The broker's management API (MILLRACE_HTTP; default 127.0.0.1:15672)"},
    {"--url", "URL", "The same as https://HOST:PORT, for TLS, or http://HOST:PORT (MILLRACE_URL)"},
    {"--cacert", "FILE",
     "PEM: who vouches for the broker (MILLRACE_CACERT; default whom the system believes)"},
    {"--cert", "FILE", "PEM: who asks, for brokers that want a certificate (MILLRACE_CERT)"},
    {"--cert-key", "FILE", "PEM: its key (MILLRACE_CERT_KEY; default in the same file)"},
    {"--insecure", "", "Believe whoever answers over TLS: for trials alone"},
    {"--amqp", "HOST:PORT", "Where messages flow, if not where the broker says that it listens"},
    {"--user", "NAME", "Who asks (MILLRACE_USER; default guest)"},
    {"--password-file", "FILE", "A file with the password (MILLRACE_PASSWORD_FILE, MILLRACE_PASSWORD)"},
    {"--password", "TEXT", "The password, for all to see who list processes: rather use a file"},
    {"--json", "", "Print JSON"},
};

constexpr Verb kServe[] = {
    {"serve", "Run the broker", {}, {}, "millrace serve --data-dir /var/lib/millrace", nullptr}};

std::vector<const Verb*> gather() {
  std::vector<const Verb*> verbs;
  for (const std::span<const Verb> some :
       {std::span<const Verb>(kServe), looking_verbs(), queue_verbs(), exchange_verbs(), client_verbs(),
        message_verbs(), worker_verbs(), task_verbs(), user_verbs(), vhost_verbs(), permission_verbs(),
        policy_verbs(), definition_verbs(), trace_verbs(), log_verbs(), bench_verbs(), completion_verbs()}) {
    for (const Verb& verb : some) verbs.push_back(&verb);
  }
  return verbs;
}

}  // namespace

std::string_view long_name(const Option& option) {
  return option.names.substr(option.names.find("--") + 2);
}

std::span<const Verb* const> all_verbs() {
  static const std::vector<const Verb*> verbs = gather();
  return verbs;
}

std::span<const Option> connection_options() {
  return kConnectionOptions;
}

}  // namespace millrace::cli
