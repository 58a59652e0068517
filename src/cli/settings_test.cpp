#include "cli/settings.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>

#include "cli/stop.hpp"

namespace millrace::cli {
namespace {

HostPort address(std::string_view text) {
  return parse_address(text, "http", 15672, "--http");
}

int status_of(std::string_view text) {
  try {
    address(text);
  } catch (const Stop& stop) {
    return stop.status();
  }
  return kOk;
}

Settings settings(const Given& given, const std::map<std::string, std::string>& variables) {
  return read_settings(given, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Address, is_read_as_people_and_the_broker_write_it) {
  EXPECT_EQ(address("10.0.0.5").host, "10.0.0.5");
  EXPECT_EQ(address("10.0.0.5").port, 15672);
  EXPECT_EQ(address("http://broker:8080/").host, "broker");
  EXPECT_EQ(address("http://broker:8080/").port, 8080);
  EXPECT_EQ(address("[::1]:99").host, "::1");
  EXPECT_EQ(address("[::1]:99").port, 99);
  EXPECT_EQ(address("8080").host, "localhost");
  EXPECT_EQ(address("8080").port, 8080);
}

TEST(Address, of_all_interfaces_is_this_machine) {
  for (const char* text : {"*:15672", ":15672", "0.0.0.0:15672", "[::]:15672"}) {
    EXPECT_EQ(address(text).host, "localhost") << text;
    EXPECT_EQ(address(text).port, 15672) << text;
  }
}

TEST(Address, is_told_as_urls_have_it) {
  EXPECT_EQ(to_text({"broker", 5671}), "broker:5671");
  EXPECT_EQ(to_text({"::1", 99}), "[::1]:99");
}

TEST(Address, is_refused_when_it_cannot_be_meant) {
  for (const char* text : {"off", "https://x", "http://u:p@x", "x:0", "x:70000", "x:1y", "[::1", "[::1]9"}) {
    EXPECT_EQ(status_of(text), kBadUse) << text;
  }
}

TEST(Settings, are_guest_on_this_machine_unless_said_otherwise) {
  const Settings got = settings({}, {});
  EXPECT_EQ(got.http.host, "127.0.0.1");
  EXPECT_EQ(got.http.port, 15672);
  EXPECT_EQ(got.user, "guest");
  EXPECT_EQ(got.password, "guest");
}

Given given(std::initializer_list<std::pair<const char*, const char*>> options) {
  Given given;
  for (const auto& [name, value] : options) given.add(name, {value});
  return given;
}

TEST(Settings, of_a_url_of_https_are_about_tls) {
  const Settings got = settings(given({{"url", "https://broker:1"}, {"cacert", "ca.pem"}}), {});
  EXPECT_TRUE(got.secure);
  EXPECT_TRUE(got.amqp_secure);
  EXPECT_EQ(got.http.host, "broker");
  EXPECT_EQ(got.http.port, 1);
  EXPECT_EQ(got.trust.ca_file, "ca.pem");
  EXPECT_FALSE(got.trust.insecure);
  EXPECT_EQ(settings(given({{"url", "https://broker"}}), {}).http.port, 15671);
  EXPECT_EQ(settings({}, {{"MILLRACE_URL", "https://broker"}, {"MILLRACE_CACERT", "ca.pem"}}).trust.ca_file,
            "ca.pem");
  EXPECT_FALSE(settings(given({{"url", "http://broker"}}), {}).secure);
}

TEST(Settings, what_is_typed_wins_whether_address_or_url) {
  const std::map<std::string, std::string> url{{"MILLRACE_URL", "https://one"}};
  EXPECT_EQ(settings(given({{"http", "two"}}), url).http.host, "two");
  EXPECT_FALSE(settings(given({{"http", "two"}}), url).secure);
  EXPECT_EQ(settings({}, {{"MILLRACE_URL", "https://one"}, {"MILLRACE_HTTP", "two"}}).http.host, "one");
  EXPECT_EQ(settings(given({{"url", "https://one"}, {"http", "two"}}), {}).http.host, "one");
}

TEST(Settings, of_messages_go_over_tls_as_requests_do_unless_said_otherwise) {
  const auto amqp = [](const char* text) {
    return settings(given({{"url", "https://x"}, {"amqp", text}}), {});
  };
  EXPECT_TRUE(amqp("y").amqp_secure);
  EXPECT_EQ(amqp("y").amqp.port, 5671);
  EXPECT_FALSE(amqp("amqp://y").amqp_secure);
  EXPECT_EQ(amqp("amqp://y").amqp.port, 5672);
  EXPECT_TRUE(settings(given({{"amqp", "amqps://y"}}), {}).amqp_secure);
  EXPECT_FALSE(settings(given({{"amqp", "y"}}), {}).amqp_secure);
}

TEST(Settings, about_trust_without_tls_are_refused) {
  EXPECT_THROW(settings(given({{"cacert", "ca.pem"}}), {}), Stop);
  EXPECT_THROW(settings(given({{"insecure", ""}}), {}), Stop);
  EXPECT_THROW(settings(given({{"url", "broker"}}), {}), Stop);
  EXPECT_FALSE(settings({}, {{"MILLRACE_CACERT", "ca.pem"}}).secure);  // for when it is needed
}

TEST(Settings, of_a_certificate_name_its_key_or_mean_the_same_file) {
  const auto secure = [](std::initializer_list<std::pair<const char*, const char*>> more,
                         const std::map<std::string, std::string>& variables) {
    Given all = given(more);
    all.add("url", {"https://broker"});
    return settings(all, variables).certificate;
  };
  EXPECT_EQ(secure({{"cert", "a.pem"}}, {}).key_file, "a.pem");
  EXPECT_EQ(secure({{"cert", "a.pem"}, {"cert-key", "a.key"}}, {}).key_file, "a.key");
  const std::map<std::string, std::string> set{{"MILLRACE_CERT", "b.pem"}, {"MILLRACE_CERT_KEY", "b.key"}};
  EXPECT_EQ(secure({}, set).chain_file, "b.pem");
  EXPECT_EQ(secure({}, set).key_file, "b.key");
  EXPECT_EQ(secure({{"cert", "a.pem"}}, set).key_file, "a.pem");
  EXPECT_EQ(secure({}, {}).chain_file, "");
  EXPECT_THROW(secure({{"cert-key", "a.key"}}, {}), Stop);
  EXPECT_THROW(settings(given({{"cert", "a.pem"}}), {}), Stop);  // there is no TLS
}

TEST(Settings, come_from_options_before_the_environment) {
  Given given;
  given.add("user", {"typed"});
  given.add("password", {"secret"});
  const Settings got = settings(
      given, {{"MILLRACE_HTTP", "*:1234"}, {"MILLRACE_USER", "env"}, {"MILLRACE_PASSWORD", "other"}});
  EXPECT_EQ(got.http.port, 1234);
  EXPECT_EQ(got.user, "typed");
  EXPECT_EQ(got.password, "secret");
}

TEST(Settings, take_the_first_line_of_a_password_file) {
  const std::string path = testing::TempDir() + "millrace_cli_password";
  std::ofstream(path) << "s3cret\r\nrest\n";
  EXPECT_EQ(settings({}, {{"MILLRACE_USER", "u"}, {"MILLRACE_PASSWORD_FILE", path}}).password, "s3cret");
  std::remove(path.c_str());
  EXPECT_THROW(settings({}, {{"MILLRACE_USER", "u"}, {"MILLRACE_PASSWORD_FILE", path}}), Stop);
}

}  // namespace
}  // namespace millrace::cli
