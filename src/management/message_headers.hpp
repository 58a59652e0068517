// Messages whose body is the body of a request or an answer: their properties as HTTP headers.
//
//   Content-Type, Content-Encoding    the properties of that name
//   Millrace-Message-Id, …            the other properties, by AMQP's names
//   Millrace-Header-NAME              a header; its name in lower case
//
// Values are percent-encoded as CloudEvents does it (HTTP Protocol Binding 1.0.2 §3.1.3.2): all but printable
// ASCII, and the space, the quote and the percent sign.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "broker/message.hpp"
#include "management/call.hpp"

namespace millrace::management {

std::string encode_header(std::string_view text);
// invalid_argument: a percent sign without two digits.
result<std::string> decode_header(std::string_view text);
// A name that HTTP can say (RFC 9110 §5.6.2).
bool is_token(std::string_view name) noexcept;

// Persistent unless the headers say otherwise. invalid_argument names the header.
result<broker::MessageProperties> properties_from_headers(const Headers& headers);

// Headers of more than kMaxHeaderBytes together, and those whose name HTTP cannot say, are left out; of
// "cloudEvents:…" see cloud_events.hpp. Lists and tables are JSON.
inline constexpr std::size_t kMaxHeaderBytes = 8 * 1024;
void put_properties(Headers& headers, const broker::MessageProperties& properties);

}  // namespace millrace::management
