#include "cli/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include "cli/stop.hpp"

namespace millrace::cli {

namespace asio = boost::asio;
using boost::system::error_code;

asio::ssl::context make_tls_context(const Trust& trust, const Certificate& certificate) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  error_code failed;
  if (trust.ca_file.empty()) {
    context.set_default_verify_paths(failed);
  } else {
    context.load_verify_file(trust.ca_file, failed);
  }
  if (failed)
    throw Stop(kBadUse, "cannot read certificates from '" + trust.ca_file + "': " + failed.message());
  if (certificate.chain_file.empty()) return context;
  context.use_certificate_chain_file(certificate.chain_file, failed);
  if (failed)
    throw Stop(kBadUse, "cannot use the certificate '" + certificate.chain_file + "': " + failed.message());
  context.use_private_key_file(certificate.key_file, asio::ssl::context::pem, failed);
  if (failed)
    throw Stop(kBadUse,
               "cannot use the certificate's key '" + certificate.key_file + "': " + failed.message());
  return context;
}

// OpenSSL's own check rather than Asio's: it can be asked afterwards what was wrong.
void ask_for(SSL* connection, const std::string& host, const Trust& trust) {
  error_code is_name;
  asio::ip::make_address(host, is_name);
  X509_VERIFY_PARAM* wanted = SSL_get0_param(connection);
  if (is_name) {
    SSL_set_tlsext_host_name(connection, host.c_str());  // RFC 6066 §3: a name, never an address
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str());
  }
  SSL_set_verify(connection, trust.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
}

bool is_about_our_certificate(const error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return false;
  switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return true;
    default:
      return false;
  }
}

std::string tls_problem(SSL* connection, const error_code& error, const std::string& host) {
  const long verified = SSL_get_verify_result(connection);
  switch (verified) {
    case X509_V_OK:
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "its certificate is of somebody else than '" + host + "'\nGive --url the name that is in it.";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "nobody who is believed vouches for its certificate (" +
             std::string(X509_verify_cert_error_string(verified)) +
             ")\n--cacert FILE or MILLRACE_CACERT says whom to believe.";
    default:
      return "its certificate is not good: " + std::string(X509_verify_cert_error_string(verified));
  }
  if (is_about_our_certificate(error))
    return "it does not take the certificate that it was shown, or wants one (" + error.message() +
           ")\n--cert FILE and --cert-key FILE show one.";
  const bool is_closed = error == asio::ssl::error::stream_truncated || error == asio::error::eof ||
                         error == asio::error::connection_reset;
  if (is_closed)
    return "it closed the connection in the TLS handshake\nIs TLS spoken there, or a certificate asked for "
           "(--cert FILE)?";
  if (error.message().find("wrong version number") != std::string::npos ||
      error.message().find("http request") != std::string::npos) {
    return "no TLS is spoken there\n--url http://HOST:PORT asks in clear.";
  }
  return "the TLS handshake failed: " + error.message();
}

}  // namespace millrace::cli
