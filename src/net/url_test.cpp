#include "net/url.hpp"

#include <gtest/gtest.h>

#include "net/http_client.hpp"

namespace millrace::net {
namespace {

std::string told(std::string_view text) {
  const auto url = Url::parse(text);
  if (url.has_error()) return "error";
  return std::string(url->secure ? "secure " : "clear ") + url->host + " " + url->port + " " + url->target;
}

TEST(Url, has_a_host_a_port_and_a_target) {
  EXPECT_EQ(told("https://issuer.example/keys?x=1"), "secure issuer.example 443 /keys?x=1");
  EXPECT_EQ(told("http://localhost:8080"), "clear localhost 8080 /");
  EXPECT_EQ(told("https://[::1]:8443/a"), "secure ::1 8443 /a");
  EXPECT_EQ(told("https://host?x"), "secure host 443 /?x");
}

TEST(Url, that_is_none_is_refused) {
  for (const char* text : {"", "host", "ftp://host/", "https://", "https:///x", "https://host:0/",
                           "https://host:/", "https://host:65536/", "https://user@host/", "https://host/#x",
                           "https://ho st/", "https://host/\r\nX: y", "https://[::1/", "https://host:80x/"}) {
    EXPECT_EQ(told(text), "error") << text;
  }
}

TEST(Url, of_this_machine_is_told_from_others) {
  EXPECT_TRUE(Url::parse("http://127.0.0.1:1/")->is_loopback());
  EXPECT_TRUE(Url::parse("http://[::1]:1/")->is_loopback());
  EXPECT_TRUE(Url::parse("http://localhost/")->is_loopback());
  EXPECT_FALSE(Url::parse("http://localhost.example/")->is_loopback());
  EXPECT_FALSE(Url::parse("http://127.0.0.1.example/")->is_loopback());
}

TEST(Form, escapes_what_is_not_plain) {
  std::string form;
  add_field(form, "a", "x y&z=%");
  add_field(form, "b", "é\n");
  EXPECT_EQ(form, "a=x%20y%26z%3D%25&b=%C3%A9%0A");
}

}  // namespace
}  // namespace millrace::net
