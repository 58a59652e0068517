// TLS as the command line asks for it: 1.2 and later, the broker known by its certificate.
#pragma once

#include <openssl/types.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <string>

#include "cli/settings.hpp"

namespace millrace::cli {

// Stops with kBadUse when a file cannot be read, or the key is not the certificate's.
boost::asio::ssl::context make_tls_context(const Trust& trust, const Certificate& certificate);
// For a connection, before its handshake: whom it must be with.
void ask_for(SSL* connection, const std::string& host, const Trust& trust);
// Why its handshake failed, and what to do about it.
std::string tls_problem(SSL* connection, const boost::system::error_code& error, const std::string& host);
// Whether the broker ended the connection for the certificate that it was shown, or for want of one: by
// TLS 1.3 that comes after the handshake (RFC 8446 §4.4.2.4).
bool is_about_our_certificate(const boost::system::error_code& error);

}  // namespace millrace::cli
