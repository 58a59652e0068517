#include "client/src/tls.hpp"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>

#include "millrace/error.hpp"

namespace millrace::client {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

namespace {

void check(const error_code& error, const std::string& what, const std::string& file) {
  if (error)
    throw ClientError(ErrorKind::tls, "the " + what + " '" + file + "' cannot be used: " + error.message());
}

}  // namespace

ssl::context make_tls_context(const TlsOptions& options) {
  ssl::context context(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  error_code error;
  if (options.ca_file.empty())
    context.set_default_verify_paths(error);
  else
    context.load_verify_file(options.ca_file, error);
  check(error, "file of trusted certificates", options.ca_file);
  if (!options.certificate_file.empty()) {
    context.use_certificate_chain_file(options.certificate_file, error);
    check(error, "client certificate", options.certificate_file);
    context.use_private_key_file(options.key_file, ssl::context::pem, error);
    check(error, "key of the client certificate", options.key_file);
  }
  return context;
}

void set_up_tls(TlsStream& stream, const TlsOptions& options, const std::string& host) {
  const std::string& name = options.server_name.empty() ? host : options.server_name;
  error_code not_an_address;
  boost::asio::ip::make_address(name, not_an_address);
  if (not_an_address)
    SSL_set_tlsext_host_name(stream.native_handle(), name.c_str());  // RFC 6066 §3: names only
  if (options.verify_peer) {
    stream.set_verify_mode(ssl::verify_peer);
    stream.set_verify_callback(ssl::host_name_verification(name));
  } else {
    stream.set_verify_mode(ssl::verify_none);
  }
}

std::string tls_problem(TlsStream& stream, const error_code& error) {
  const long verified = SSL_get_verify_result(stream.native_handle());
  if (verified != X509_V_OK)
    return std::string("the broker's certificate is not trusted: ") +
           X509_verify_cert_error_string(verified) +
           "; give the certificate of its authority as tls.ca_file, and its name as tls.server_name";
  if (error == ssl::error::stream_truncated || error == boost::asio::error::eof)
    return "the broker closed the connection in the TLS handshake; is it a TLS port?";
  if (error.message().find("wrong version number") != std::string::npos)
    return "this port does not speak TLS";
  if (error.message().find("certificate verify failed") != std::string::npos)
    return "the broker's certificate does not carry the name asked for; set tls.server_name";
  return "the TLS handshake failed: " + error.message();
}

}  // namespace millrace::client
