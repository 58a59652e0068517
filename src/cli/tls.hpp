// TLS as the command line asks for it: 1.2 and later, the broker known by its certificate.
#pragma once

#include <openssl/types.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <string>

#include "cli/settings.hpp"

namespace millrace::cli {

// Stops with kBadUse when the file cannot be read.
boost::asio::ssl::context make_tls_context(const Trust& trust);
// For a connection, before its handshake: whom it must be with.
void ask_for(SSL* connection, const std::string& host, const Trust& trust);
// Why its handshake failed, and what to do about it.
std::string tls_problem(SSL* connection, const boost::system::error_code& error, const std::string& host);

}  // namespace millrace::cli
