#include "server/effective_config.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

std::string shown(std::vector<ConfigValues::Entry> entries) {
  const ConfigValues values{std::move(entries)};
  const auto config = make_config({&values, 1});
  EXPECT_TRUE(config) << config.error().text;
  return config ? effective_config(*config) : "";
}

bool has(const std::string& text, const std::string& term) {
  return text.find(term) != std::string::npos;
}

TEST(EffectiveConfig, is_a_term_with_every_option) {
  const std::string text = shown({});
  EXPECT_TRUE(text.starts_with("[{millrace,\n     [{'data-dir',\"./millrace-data\"},\n      {'shards',"));
  EXPECT_TRUE(text.ends_with("}]}]\n"));
  for (const ConfigOption& option : config_options()) {
    EXPECT_TRUE(has(text, "{'" + std::string(option.name) + "',")) << option.name;
  }
  EXPECT_TRUE(has(text, "{'definitions',undefined}"));
}

TEST(EffectiveConfig, has_what_the_source_that_won_gave) {
  ConfigValues file{{{"heartbeat", "file", {"7"}}, {"amqp", "file", {"127.0.0.1:1", "[::1]:2"}}}};
  ConfigValues line{{{"heartbeat", "--heartbeat", {"9"}}}};
  const ConfigValues sources[] = {file, line};
  const std::string text = effective_config(*make_config(sources));
  EXPECT_TRUE(has(text, "{'heartbeat',\"9\"}"));
  EXPECT_TRUE(has(text, "{'amqp',[\"127.0.0.1:1\",\"[::1]:2\"]}"));
}

TEST(EffectiveConfig, leaves_out_what_may_be_a_secret) {
  const std::string text = shown({{"oauth2-resource-server", "", {"api://a@b/c?d"}},
                                  {"oauth2-keys", "", {"https://keys.example/set?token=hush"}},
                                  {"ldap", "", {"ldaps://ann:hush@directory.example:636"}},
                                  {"ldap-user-dn", "", {"cn=${username},o=\"a\\b\""}}});
  EXPECT_FALSE(has(text, "hush"));
  EXPECT_TRUE(has(text, "\"https://keys.example/set?******\""));
  EXPECT_TRUE(has(text, "\"ldaps://******@directory.example:636\""));
  EXPECT_TRUE(has(text, "\"api://******@b/c?******\""));
  EXPECT_TRUE(has(text, R"("cn=${username},o=\"a\\b\"")"));
}

}  // namespace
}  // namespace millrace::server
