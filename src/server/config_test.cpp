#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "server/command_line.hpp"

namespace millrace::server {
namespace {

class Configuration : public ::testing::Test {
 protected:
  Configuration() {
    std::string pattern = ::testing::TempDir() + "millrace-config-XXXXXX";
    directory = ::mkdtemp(pattern.data());
  }
  ~Configuration() override { std::filesystem::remove_all(directory); }

  void file(const std::string& content) { std::ofstream(path()) << content; }
  std::string path() const { return directory + "/millrace.toml"; }

  std::variant<Config, Say> read(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), {"millrace", "serve"});
    return read_command_line(static_cast<int>(arguments.size()), arguments.data(), [this](const char* name) {
      const auto found = environment.find(name);
      return found == environment.end() ? nullptr : found->second.c_str();
    });
  }
  Config good(std::vector<const char*> arguments) {
    auto outcome = read(std::move(arguments));
    if (const auto* say = std::get_if<Say>(&outcome)) ADD_FAILURE() << say->text;
    return std::holds_alternative<Config>(outcome) ? std::get<Config>(outcome) : Config{};
  }
  // The one line that says what is wrong.
  std::string refusal(std::vector<const char*> arguments) {
    const auto outcome = read(std::move(arguments));
    const auto* say = std::get_if<Say>(&outcome);
    if (say == nullptr) return "accepted";
    EXPECT_EQ(say->status, 2);
    EXPECT_EQ(say->text.find('\n'), say->text.size() - 1) << "one line";
    return say->text;
  }

  std::string directory;
  std::map<std::string, std::string, std::less<>> environment;
};

TEST_F(Configuration, has_its_defaults_where_the_file_is_empty) {
  file("");
  EXPECT_EQ(good({"--config", path().c_str()}).channel_max, 2047u);
}

TEST_F(Configuration, takes_the_command_line_over_the_environment_over_the_file_over_the_default) {
  file("shards = 2\nheartbeat = 20\nframe-max = 20000\nallow-anonymous = true\n");
  environment["MILLRACE_CONFIG"] = path();
  environment["MILLRACE_SHARDS"] = "3";
  environment["MILLRACE_HEARTBEAT"] = "30";
  const Config config = good({"--shards", "4"});
  EXPECT_EQ(config.shards, 4u);
  EXPECT_EQ(config.heartbeat_s, 30u);
  EXPECT_EQ(config.frame_max, 20'000u);
  EXPECT_EQ(config.channel_max, 2047u);
  EXPECT_TRUE(config.allow_anonymous);
}

TEST_F(Configuration, listens_where_each_source_says) {
  EXPECT_EQ(good({}).amqp, (std::vector<HostPort>{{"", 5672}}));
  EXPECT_EQ(good({"--amqp", "127.0.0.1:1", "--amqp", "[::1]:2"}).amqp,
            (std::vector<HostPort>{{"127.0.0.1", 1}, {"::1", 2}}));
  environment["MILLRACE_AMQP"] = "127.0.0.1:3,:4";
  EXPECT_EQ(good({}).amqp, (std::vector<HostPort>{{"127.0.0.1", 3}, {"", 4}}));
  EXPECT_TRUE(good({"--amqp", "off"}).amqp.empty());
  EXPECT_EQ(good({}).http, (std::vector<HostPort>{{"", 15672}}));
  EXPECT_TRUE(good({"--http", "off"}).http.empty());
  environment.clear();
  file("amqp = [\"127.0.0.1:5\", \"127.0.0.1:6\"]\n");
  EXPECT_EQ(good({"--config", path().c_str()}).amqp.size(), 2u);
}

TEST_F(Configuration, reads_sizes_modes_and_flags) {
  const Config config =
      good({"--max-message-bytes", "4MiB", "--memory-limit", "500MB", "--disk-low-water", "1000", "--sync",
            "interval=50", "--allow-anonymous", "--log-format", "json", "--log-level", "warning"});
  EXPECT_EQ(config.max_message_bytes, 4u << 20);
  EXPECT_EQ(config.memory_limit_bytes, 500'000'000u);
  EXPECT_EQ(config.disk_low_water_bytes, 1000u);
  EXPECT_EQ(config.sync_mode, storage::SyncMode::interval);
  EXPECT_EQ(config.sync_interval, runtime::Milliseconds(50));
  EXPECT_TRUE(config.allow_anonymous);
  EXPECT_TRUE(config.log_json);
  EXPECT_EQ(config.log_level, broker::LogLevel::warning);
  EXPECT_FALSE(good({"--allow-anonymous=false"}).allow_anonymous);
}

TEST_F(Configuration, refuses_bad_values_and_says_whose_they_are) {
  EXPECT_EQ(refusal({"--shards", "0"}), "millrace: --shards: '0' is not a number from 1 to 1024\n");
  environment["MILLRACE_SYNC"] = "maybe";
  EXPECT_EQ(refusal({}), "millrace: MILLRACE_SYNC: 'maybe' is not sync, interval=MILLISECONDS or os\n");
  environment.clear();
  file("heartbeat = 60\n\nframe-max = 100\n");
  EXPECT_EQ(refusal({"--config", path().c_str()}),
            "millrace: " + path() + ":3: frame-max: '100' is not a number from 4096 to 4294967295\n");
  EXPECT_NE(refusal({"--memory-limit", "1 parsec"}).find("'1 parsec' is not a size"), std::string::npos);
  EXPECT_EQ(good({"--max-message-bytes", "512MiB"}).max_message_bytes, 512u << 20);
  EXPECT_EQ(refusal({"--max-message-bytes", "513MiB"}),
            "millrace: --max-message-bytes: '513MiB' is not a size of at most 512MiB\n");
  EXPECT_NE(refusal({"--amqp", "nowhere"}).find("'nowhere' is not HOST:PORT"), std::string::npos);
}

TEST_F(Configuration, asks_about_users_in_the_order_given_or_its_own) {
  using enum AuthSource;
  using Order = std::vector<AuthSource>;
  const auto with_ldap = [](std::vector<const char*> more) {
    for (const char* one : {"--ldap", "ldap://localhost", "--ldap-user-base", "dc=x"}) more.push_back(one);
    return more;
  };
  EXPECT_EQ(good({}).auth.order, Order{internal});
  EXPECT_EQ(good(with_ldap({})).auth.order, (Order{internal, ldap}));
  EXPECT_EQ(good(with_ldap({"--auth-order", "ldap", "--auth-order", "internal"})).auth.order,
            (Order{ldap, internal}));
  EXPECT_EQ(good(with_ldap({"--auth-order", "ldap"})).auth.order, Order{ldap});
  EXPECT_EQ(good({"--auth-order", "internal"}).auth.order, Order{internal});
}

TEST_F(Configuration, refuses_an_order_that_leaves_open_who_is_asked) {
  EXPECT_EQ(refusal({"--auth-order", ""}),
            "millrace: --auth-order: '' is not internal, oauth2, http or ldap\n");
  EXPECT_EQ(refusal({"--auth-order", "internal", "--auth-order", "internal"}),
            "millrace: --auth-order: 'internal' is there twice\n");
  EXPECT_EQ(refusal({"--auth-order", "ldap"}), "millrace: auth-order names ldap, which is not configured\n");
  EXPECT_EQ(refusal({"--auth-order", "internal", "--ldap", "ldap://localhost", "--ldap-user-base", "dc=x"}),
            "millrace: ldap is configured, and not in auth-order\n");
  file("auth-order = []\n");
  EXPECT_EQ(refusal({"--config", path().c_str()}),
            "millrace: " + path() + ":1: auth-order: a value is missing\n");
  environment["MILLRACE_AUTH_ORDER"] = ",";
  EXPECT_EQ(refusal({}), "millrace: MILLRACE_AUTH_ORDER: '' is not internal, oauth2, http or ldap\n");
}

TEST_F(Configuration, refuses_options_that_do_not_exist) {
  EXPECT_NE(refusal({"--nope"}).find("--nope"), std::string::npos);
  file("[listeners]\namqp = 1\n");
  EXPECT_EQ(refusal({"--config", path().c_str()}),
            "millrace: " + path() + ":1: listeners: there is no such option\n");
}

TEST_F(Configuration, refuses_files_that_cannot_be_read_or_are_not_toml) {
  EXPECT_NE(refusal({"--config", "/nonexistent/millrace.toml"}).find("No such file"), std::string::npos);
  file("shards = = 2\n");
  EXPECT_NE(refusal({"--config", path().c_str()}).find(path() + ":1: "), std::string::npos);
}

TEST_F(Configuration, helps_with_every_option) {
  const auto outcome = read({"--help"});
  ASSERT_TRUE(std::holds_alternative<Say>(outcome));
  EXPECT_EQ(std::get<Say>(outcome).status, 0);
  for (const ConfigOption& option : config_options()) {
    EXPECT_NE(std::get<Say>(outcome).text.find("--" + std::string(option.name)), std::string::npos)
        << option.name;
  }
}

}  // namespace
}  // namespace millrace::server
