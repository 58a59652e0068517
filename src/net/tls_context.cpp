#include "net/tls_context.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "net/tls_engine.hpp"

namespace millrace::net {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};

constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::string last_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

Error bad_file(std::string_view what, const std::string& path, const std::string& why) {
  return fail(Errc::invalid_argument, std::string(what) + " '" + path + "': " + why);
}

// The library's own words for a file that is missing say neither which nor why.
result<void> check_readable(std::string_view what, const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) {
    return fail(Errc::io_error, std::string(what) + " '" + path + "': " + std::strerror(errno));
  }
  if (S_ISDIR(found.st_mode)) return fail(Errc::io_error, std::string(what) + " '" + path + "': a directory");
  return {};
}

bool others_may_read(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && (found.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

// A key with a passphrase is refused rather than asked for on a terminal that nobody may be looking at.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::string subject_of(const X509* certificate) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), &BIO_free);
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : "(no name)";
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

std::string day_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "?";
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return std::string(text, size);
}

result<void> trust_clients(SSL_CTX* context, const TlsSettings& settings) {
  if (settings.verify == VerifyClient::none) return {};
  if (settings.ca_file.empty()) {
    return fail(Errc::invalid_argument, "client certificates are to be verified, and no authority is given");
  }
  if (const auto readable = check_readable("authorities", settings.ca_file); !readable) return readable;
  if (SSL_CTX_load_verify_file(context, settings.ca_file.c_str()) != 1)
    return bad_file("authorities", settings.ca_file, last_reason());
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(settings.ca_file.c_str());
  if (names == nullptr) return bad_file("authorities", settings.ca_file, last_reason());
  SSL_CTX_set_client_CA_list(context, names);
  if (!settings.crl_file.empty()) {
    if (const auto readable = check_readable("revocations", settings.crl_file); !readable) return readable;
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == nullptr || X509_load_crl_file(lookup, settings.crl_file.c_str(), X509_FILETYPE_PEM) <= 0)
      return bad_file("revocations", settings.crl_file, last_reason());
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  }
  const int require = settings.verify == VerifyClient::require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | require, nullptr);
  return {};
}

}  // namespace

struct TlsContext::Entry {
  std::unique_ptr<SSL_CTX, FreeContext> context;
  X509* certificate = nullptr;  // the context's
};

TlsContext::TlsContext() = default;
TlsContext::~TlsContext() = default;

void TlsContext::FreeMethod::operator()(bio_method_st* method) const noexcept {
  BIO_meth_free(method);
}

result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsSettings& settings) {
  if (settings.certificates.empty()) return fail(Errc::invalid_argument, "no certificate is given");
  const std::shared_ptr<TlsContext> loaded(new TlsContext());
  loaded->bio_method_.reset(TlsEngine::make_bio_method());
  ERR_clear_error();
  for (const TlsSettings::Certificate& files : settings.certificates) {
    for (const auto& [what, path] :
         {std::pair("certificate", &files.chain_file), std::pair("key", &files.key_file)}) {
      if (const auto readable = check_readable(what, *path); !readable) return readable.error();
    }
    Entry entry;
    entry.context.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* context = entry.context.get();
    if (context == nullptr) return fail(Errc::internal_error, "TLS: " + last_reason());
    SSL_CTX_set_min_proto_version(context, settings.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cipher_list(context, kTls12Ciphers);
    // Several records by one call of the system.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 4 * 16 * 1024);
    // Resumption by tickets alone: the peer keeps the state. Their keys are this context's, so that a reload
    // ends what an authority that is no longer believed has vouched for.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    constexpr unsigned char kSessions[] = "millrace";
    SSL_CTX_set_session_id_context(context, kSessions, sizeof kSessions - 1);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, files.chain_file.c_str()) != 1)
      return bad_file("certificate", files.chain_file, last_reason());
    if (SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
      return bad_file("key of '" + files.chain_file + "',", files.key_file, last_reason());
    if (const auto trusted = trust_clients(context, settings); !trusted) return trusted.error();
    TlsEngine::set_callbacks(context);
    entry.certificate = SSL_CTX_get0_certificate(context);
    const ASN1_TIME* end = X509_get0_notAfter(entry.certificate);
    if (X509_cmp_current_time(end) < 0)
      loaded->warnings_.push_back("certificate '" + files.chain_file + "' ended on " + day_of(end));
    if (others_may_read(files.key_file))
      loaded->warnings_.push_back("key '" + files.key_file + "' may be read by every user of this machine");
    loaded->description_ +=
        (loaded->description_.empty() ? "" : ", ") + subject_of(entry.certificate) + " until " + day_of(end);
    loaded->certificates_.push_back({files.chain_file, subject_of(entry.certificate), seconds_of(end)});
    loaded->entries_.push_back(std::move(entry));
  }
  return std::shared_ptr<const TlsContext>(loaded);
}

ssl_ctx_st* TlsContext::default_context() const noexcept {
  return entries_.front().context.get();
}

ssl_ctx_st* TlsContext::context_for(std::string_view server_name) const noexcept {
  for (const Entry& entry : entries_) {
    if (X509_check_host(entry.certificate, server_name.data(), server_name.size(), 0, nullptr) == 1)
      return entry.context.get();
  }
  return nullptr;
}

}  // namespace millrace::net
