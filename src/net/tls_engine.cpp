#include "net/tls_engine.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace millrace::net {

struct TlsEngine::Callbacks {
  static TlsEngine& engine_of(const SSL* ssl) { return *static_cast<TlsEngine*>(SSL_get_app_data(ssl)); }
  static TlsEngine& engine_of(BIO* bio) { return *static_cast<TlsEngine*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, std::size_t room, std::size_t* got) {
    TlsEngine& engine = engine_of(bio);
    BIO_clear_retry_flags(bio);
    if (engine.source_ended_ || engine.key_updates_ > kKeyUpdatesMax) return 0;
    const auto [outcome, bytes] = engine.source_.receive({reinterpret_cast<std::uint8_t*>(into), room});
    if (outcome == Source::Outcome::not_now) BIO_set_retry_read(bio);
    if (outcome == Source::Outcome::ended) engine.source_ended_ = true;
    if (outcome != Source::Outcome::moved) return 0;
    if (engine.first_count_ < sizeof engine.first_bytes_) {
      const std::size_t kept = std::min(bytes, sizeof engine.first_bytes_ - engine.first_count_);
      std::memcpy(engine.first_bytes_ + engine.first_count_, into, kept);
      engine.first_count_ += kept;
    }
    *got = bytes;
    return 1;
  }
  static int write(BIO* bio, const char* from, std::size_t bytes, std::size_t* put) {
    engine_of(bio).output_.append(ByteView(reinterpret_cast<const std::uint8_t*>(from), bytes));
    *put = bytes;
    return 1;
  }
  static long control(BIO* bio, int what, long, void*) {
    if (what == BIO_CTRL_EOF) return engine_of(bio).source_ended_ ? 1 : 0;
    return what == BIO_CTRL_FLUSH || what == BIO_CTRL_PUSH || what == BIO_CTRL_POP ? 1 : 0;
  }

  // Errors are alerts of the TLS protocol; a name that no certificate is for gets the first one.
  static int choose_certificate(SSL* ssl, int*, void*) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_CTX* context = engine_of(ssl).context_->context_for(name);
    if (context == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(ssl, context);
    return SSL_TLSEXT_ERR_OK;
  }
  static int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_bytes,
                             const unsigned char* offered, unsigned offered_bytes, void*) {
    if (engine_of(ssl).speaks_ != Speaks::http11) return SSL_TLSEXT_ERR_NOACK;
    constexpr std::string_view kHttp11 = "http/1.1";
    for (unsigned at = 0; at < offered_bytes; at += 1u + offered[at]) {
      const std::string_view name(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
      if (name != kHttp11) continue;
      *chosen = offered + at + 1;
      *chosen_bytes = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  static void see_message(int is_sent, int, int content_type, const void* bytes, std::size_t size, SSL* ssl,
                          void*) {
    if (is_sent != 0 || content_type != SSL3_RT_HANDSHAKE || size == 0) return;
    if (*static_cast<const std::uint8_t*>(bytes) == SSL3_MT_KEY_UPDATE) ++engine_of(ssl).key_updates_;
  }
};

bio_method_st* TlsEngine::make_bio_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "millrace");
  MILLRACE_ASSERT(method != nullptr, "no memory for a TLS transport");
  BIO_meth_set_read_ex(method, &Callbacks::read);
  BIO_meth_set_write_ex(method, &Callbacks::write);
  BIO_meth_set_ctrl(method, &Callbacks::control);
  return method;
}

void TlsEngine::set_callbacks(ssl_ctx_st* context) {
  SSL_CTX_set_tlsext_servername_callback(context, &Callbacks::choose_certificate);
  SSL_CTX_set_alpn_select_cb(context, &Callbacks::choose_protocol, nullptr);
  SSL_CTX_set_msg_callback(context, &Callbacks::see_message);
}

void TlsEngine::FreeSsl::operator()(ssl_st* ssl) const noexcept {
  SSL_free(ssl);
}

TlsEngine::TlsEngine(std::shared_ptr<const TlsContext> context, Source& source, Speaks speaks)
    : context_(std::move(context)),
      source_(source),
      speaks_(speaks),
      ssl_(SSL_new(context_->default_context())) {
  MILLRACE_ASSERT(ssl_ != nullptr, "no memory for a TLS connection");
  SSL_set_app_data(ssl_.get(), this);
  BIO* bio = BIO_new(context_->bio_method());
  MILLRACE_ASSERT(bio != nullptr, "no memory for a TLS transport");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

TlsEngine::~TlsEngine() = default;

TlsEngine::Outcome TlsEngine::outcome_of(int returned) {
  const int error = SSL_get_error(ssl_.get(), returned);
  if (key_updates_ > kKeyUpdatesMax) {
    failure_ = "the peer changes its keys all the time";
    ERR_clear_error();
    return Outcome::failed;
  }
  if (error == SSL_ERROR_WANT_READ) return Outcome::not_now;
  if (error == SSL_ERROR_ZERO_RETURN || source_ended_) {
    ERR_clear_error();
    return Outcome::ended;
  }
  describe_failure();
  return Outcome::failed;
}

// The library sees a wrong version number in whatever is no TLS record (RFC 8446 §5.1: it begins with the
// content type handshake, 22).
void TlsEngine::describe_failure() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  failure_ = reason == nullptr ? "protocol error" : reason;
  ERR_clear_error();
  const std::string_view first(reinterpret_cast<const char*>(first_bytes_), first_count_);
  if (SSL_is_init_finished(ssl_.get()) == 0 && !first.empty() && first[0] != 22) {
    failure_ = first.starts_with("AMQP") ? "the client speaks AMQP without TLS"
               : first == "GET " || first == "POST" || first == "PUT " || first == "HEAD"
                   ? "the client speaks HTTP without TLS"
                   : "the client does not speak TLS";
  }
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) {
    failure_ += std::string(" (client certificate: ") + X509_verify_cert_error_string(verified) + ")";
  }
}

TlsEngine::Outcome TlsEngine::handshake() {
  ERR_clear_error();
  const int returned = SSL_do_handshake(ssl_.get());
  return returned == 1 ? Outcome::done : outcome_of(returned);
}

TlsEngine::Got TlsEngine::read(std::span<std::uint8_t> into) {
  ERR_clear_error();
  std::size_t got = 0;
  while (got < into.size()) {
    std::size_t bytes = 0;
    const int returned = SSL_read_ex(ssl_.get(), into.data() + got, into.size() - got, &bytes);
    got += bytes;
    if (returned == 1) continue;
    if (got > 0) break;  // what ended it is met again by the next read
    return {outcome_of(returned), 0};
  }
  return {Outcome::done, got};
}

bool TlsEngine::write(ByteView plain) {
  if (plain.empty()) return true;
  ERR_clear_error();
  std::size_t written = 0;
  if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1) return true;
  if (failure_.empty()) describe_failure();
  return false;
}

void TlsEngine::finish() {
  if (SSL_is_init_finished(ssl_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::string TlsEngine::version() const {
  return SSL_get_version(ssl_.get());
}

std::string TlsEngine::cipher() const {
  const char* name = SSL_get_cipher_name(ssl_.get());
  return name == nullptr ? "" : name;
}

namespace {

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), &BIO_free);
  // RFC 2253 with its escapes; what is not ASCII is written as UTF-8.
  X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

// Empty for what holds a zero octet: two programs may read two names there.
std::string utf8_of(const ASN1_STRING* string) {
  unsigned char* data = nullptr;
  const int size = ASN1_STRING_to_UTF8(&data, string);
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return text.find('\0') == std::string::npos ? text : std::string();
}

// RFC 6125 §6.4.4: the last, most specific one counts. Several are one too many to be sure.
std::string common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  return utf8_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string alternative_name(const X509* certificate, int type) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int found = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &found);
    if (found == type) return utf8_of(static_cast<const ASN1_STRING*>(value));
  }
  return {};
}

}  // namespace

std::string TlsEngine::peer_subject() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate == nullptr ? std::string() : text_of(X509_get_subject_name(certificate));
}

std::string TlsEngine::peer_issuer() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate == nullptr ? std::string() : text_of(X509_get_issuer_name(certificate));
}

std::string TlsEngine::peer_name(LoginFrom which) const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
  switch (which) {
    case LoginFrom::common_name:
      return common_name(certificate);
    case LoginFrom::distinguished_name:
      return text_of(X509_get_subject_name(certificate));
    case LoginFrom::san_dns:
      return alternative_name(certificate, GEN_DNS);
    case LoginFrom::san_email:
      return alternative_name(certificate, GEN_EMAIL);
    case LoginFrom::san_uri:
      return alternative_name(certificate, GEN_URI);
  }
  return {};
}

}  // namespace millrace::net
