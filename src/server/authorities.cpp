#include "server/authorities.hpp"

#include "runtime/os/entropy.hpp"

namespace millrace::server {

result<std::unique_ptr<Authorities>> Authorities::make(const AuthConfig& config, const runtime::Clock& clock,
                                                       Log log) {
  if (!config.has_tokens && !config.has_http && !config.has_ldap) return std::unique_ptr<Authorities>();
  std::unique_ptr<Authorities> made(new Authorities(config));
  const auto warn = [log](const std::string& line) { log(broker::LogLevel::warning, line); };
  boost::asio::io_context& context = made->loop_.context();
  if (config.has_tokens) {
    if (config.tokens.keys_url) {
      auto client = net::HttpClient::make(context, config.tokens_ca_file);
      if (!client) return client.error();
      made->tokens_client_ = std::move(*client);
    }
    auto keys = auth::TokenAuthority::read_files(config.tokens);
    if (!keys) return keys.error();
    made->tokens_ = std::make_unique<auth::TokenAuthority>(
        config.tokens, std::move(*keys), made->tokens_client_.get(), made->loop_, clock, warn);
  }
  auth::LoginKey key{};
  runtime::fill_random(key);
  if (config.has_http) {
    auto client = net::HttpClient::make(context, config.http_ca_file);
    if (!client) return client.error();
    made->http_client_ = std::move(*client);
    made->http_ = std::make_unique<auth::HttpAuthority>(config.http, key, *made->http_client_, made->loop_,
                                                        clock, warn);
  }
  if (config.has_ldap) {
    auto password = auth::LdapAuthority::read_password(config.ldap);
    if (!password) return password.error();
    auto library = auth::LdapLibrary::load();
    if (!library) return library.error();
    std::vector<runtime::DiskExecutor*> threads;
    for (unsigned i = 0; i < kLdapThreads; ++i) {
      made->ldap_threads_.push_back(
          std::make_unique<runtime::DiskThread>("ldap-" + std::to_string(i), made->loop_));
      threads.push_back(made->ldap_threads_.back().get());
    }
    made->ldap_ = std::make_unique<auth::LdapAuthority>(
        config.ldap, std::move(*password), std::move(*library), key, threads, made->loop_, clock, warn);
  }
  made->put_in_order();
  return made;
}

void Authorities::put_in_order() {
  for (const AuthSource source : config_.order) {
    switch (source) {
      case AuthSource::internal:
        before_own_ = all_.size();
        break;
      case AuthSource::oauth2:
        all_.push_back(tokens_.get());
        break;
      case AuthSource::http:
        all_.push_back(http_.get());
        break;
      case AuthSource::ldap:
        all_.push_back(ldap_.get());
        break;
    }
  }
}

Authorities::~Authorities() {
  stop();
}

void Authorities::start() {
  loop_.start();
  loop_.post([this] {
    if (tokens_) tokens_->start();
  });
}

void Authorities::stop() {
  for (const auto& thread : ldap_threads_) thread->stop();
  loop_.stop();
  loop_.join();
}

result<Task> Authorities::reload() {
  auto keys = auth::TokenAuthority::read_files(config_.tokens);
  if (!keys) return keys.error();
  auto password = auth::LdapAuthority::read_password(config_.ldap);
  if (!password) return password.error();
  return Task([this, keys = std::move(*keys), password = std::move(*password)]() mutable {
    loop_.post([this, keys = std::move(keys), password = std::move(password)]() mutable {
      if (tokens_) tokens_->use(std::move(keys));
      if (ldap_) ldap_->use(std::move(password));
    });
  });
}

}  // namespace millrace::server
