// What a TLS listener shows and asks for: certificates with their keys, chosen by the name that the client
// says (SNI, RFC 6066 §3), and the authorities whose client certificates are believed.
//
// Read whole from files, then never changed: a reload makes another one, and connections that were made with
// the old one keep it for as long as they live. TLS 1.2 and 1.3, with forward secrecy and authenticated
// encryption only; no renegotiation, no compression. Thread: any, once it is loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct ssl_ctx_st;
struct bio_method_st;

namespace millrace::net {

enum class VerifyClient : std::uint8_t {
  none,      // client certificates are not asked for
  optional,  // one that is shown must be good
  require,   // there must be one, and it must be good
};

struct TlsSettings {
  struct Certificate {
    std::string chain_file;  // PEM: the certificate first, then those that vouch for it
    std::string key_file;    // PEM, without a passphrase
  };
  // The first is for clients that name nobody, or somebody unknown.
  std::vector<Certificate> certificates;
  std::string ca_file;   // PEM: who may vouch for clients
  std::string crl_file;  // PEM: certificates that are revoked; empty: none are
  VerifyClient verify = VerifyClient::none;
  bool only_tls13 = false;
};

class TlsContext {
 public:
  // Errors: io_error (a file cannot be read), invalid_argument (what is in it). The text names the file.
  static result<std::shared_ptr<const TlsContext>> load(const TlsSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // What the operator should know though it works: a key that others may read, a certificate that has ended.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  // In the order of the settings.
  struct Validity {
    std::string chain_file;
    std::string subject;
    std::int64_t ends_s = 0;  // since 1970
  };
  const std::vector<Validity>& certificates() const noexcept { return certificates_; }
  // One line for the log: whose certificates, and until when.
  const std::string& description() const noexcept { return description_; }

  // For TlsEngine.
  ssl_ctx_st* default_context() const noexcept;
  ssl_ctx_st* context_for(std::string_view server_name) const noexcept;  // null: none in particular
  bio_method_st* bio_method() const noexcept { return bio_method_.get(); }

 private:
  struct Entry;
  struct FreeMethod {
    void operator()(bio_method_st* method) const noexcept;
  };
  TlsContext();

  std::vector<Entry> entries_;
  std::unique_ptr<bio_method_st, FreeMethod> bio_method_;
  std::vector<std::string> warnings_;
  std::vector<Validity> certificates_;
  std::string description_;
};

}  // namespace millrace::net
