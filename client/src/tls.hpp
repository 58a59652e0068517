// TLS as the options ask for it.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "client/src/stream.hpp"
#include "millrace/options.hpp"

namespace millrace::client {

using TlsStream = Stream::Tls;

// TLS 1.2 and later. Throws a ClientError that names the file that cannot be read.
boost::asio::ssl::context make_tls_context(const TlsOptions& options);

// Server name indication and the check of the certificate's name.
void set_up_tls(TlsStream& stream, const TlsOptions& options, const std::string& host);

// Why a handshake failed and what to do about it.
std::string tls_problem(TlsStream& stream, const boost::system::error_code& error);

}  // namespace millrace::client
