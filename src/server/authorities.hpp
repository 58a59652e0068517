// Who is asked about users besides the broker, with the threads on which they verify and wait.
//
// None are made when none are configured: then there is no thread. They outlive the node, whose shards ask
// them; stop() comes before the node goes, so that no answer reaches it afterwards.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "auth/http_authority.hpp"
#include "auth/ldap_authority.hpp"
#include "auth/token_authority.hpp"
#include "broker/node.hpp"
#include "runtime/os/asio_loop.hpp"
#include "runtime/os/disk_thread.hpp"
#include "server/config.hpp"

namespace millrace::server {

class Authorities {
 public:
  using Log = std::function<void(broker::LogLevel, std::string_view)>;

  // Reads the files. Null: none are configured. Errors: io_error, invalid_argument; the text names the file.
  // Threads for the directory, whose library waits.
  static constexpr unsigned kLdapThreads = 4;
  static result<std::unique_ptr<Authorities>> make(const AuthConfig& config, const runtime::Clock& clock,
                                                   Log log);
  ~Authorities();

  // In the order in which they are to be asked.
  const std::vector<broker::Authority*>& all() const noexcept { return all_; }
  // How many of them before the broker's own users; none: those are not asked.
  std::optional<std::size_t> before_own() const noexcept { return before_own_; }
  void start();
  // Ends the thread; whoever waits for an answer gets none.
  void stop();
  // Reads the files again: what puts to use what they say. Errors as make(). Any thread.
  result<Task> reload();

 private:
  explicit Authorities(const AuthConfig& config) : config_(config) {}

  AuthConfig config_;
  runtime::AsioLoop loop_{"authorities"};
  std::unique_ptr<net::HttpClient> tokens_client_;
  std::unique_ptr<auth::TokenAuthority> tokens_;
  std::unique_ptr<net::HttpClient> http_client_;
  std::unique_ptr<auth::HttpAuthority> http_;
  std::vector<std::unique_ptr<runtime::DiskThread>> ldap_threads_;
  std::unique_ptr<auth::LdapAuthority> ldap_;
  std::vector<broker::Authority*> all_;
  std::optional<std::size_t> before_own_;

  void put_in_order();
};

}  // namespace millrace::server
