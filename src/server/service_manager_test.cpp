#include "server/service_manager.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <map>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

// Listens as the manager does; a name starting with '@' is in the abstract namespace.
class Manager {
 public:
  explicit Manager(const std::string& name) : descriptor_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), length), 0) << name;
  }
  ~Manager() { ::close(descriptor_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  std::string heard() const {
    char buffer[256];
    const ssize_t size = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(buffer, static_cast<std::size_t>(size));
  }

 private:
  int descriptor_;
};

TEST(ServiceManager, is_told_at_a_path) {
  char folder[] = "/tmp/millrace-notify-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/socket";
  {
    const Manager manager(path);
    ServiceManager(environment_of({{"NOTIFY_SOCKET", path}})).tell("READY=1\nSTATUS=serves");
    EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=serves");
  }
  ::unlink(path.c_str());
  ::rmdir(folder);
}

TEST(ServiceManager, is_told_by_a_name_in_the_abstract_namespace) {
  const std::string name = "@millrace-notify-" + std::to_string(::getpid());
  const Manager manager(name);
  ServiceManager(environment_of({{"NOTIFY_SOCKET", name}})).tell("STOPPING=1");
  EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST(ServiceManager, nobody_is_told_when_nobody_listens) {
  ServiceManager(environment_of({})).tell("READY=1");
  ServiceManager(environment_of({{"NOTIFY_SOCKET", ""}})).tell("READY=1");
  ServiceManager(environment_of({{"NOTIFY_SOCKET", "/nowhere/at/all"}})).tell("READY=1");
  ServiceManager(environment_of({{"NOTIFY_SOCKET", "/" + std::string(200, 'x')}})).tell("READY=1");
}

TEST(ServiceManager, wants_to_hear_twice_within_its_limit) {
  const auto interval = [](std::map<std::string, std::string> variables) {
    return ServiceManager(environment_of(std::move(variables))).watchdog_interval();
  };
  EXPECT_EQ(interval({{"WATCHDOG_USEC", "30000000"}}), 15s);
  EXPECT_EQ(interval({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", std::to_string(::getpid())}}), 15s);
  EXPECT_EQ(interval({{"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "1"}}), std::nullopt);
  EXPECT_EQ(interval({{"WATCHDOG_USEC", "3"}}), 1ms);
  EXPECT_EQ(interval({{"WATCHDOG_USEC", "0"}}), std::nullopt);
  EXPECT_EQ(interval({{"WATCHDOG_USEC", "soon"}}), std::nullopt);
  EXPECT_EQ(interval({}), std::nullopt);
}

TEST(ServiceManager, journal_is_known_by_the_file_behind_standard_error) {
  struct stat file {};
  ASSERT_EQ(::fstat(STDERR_FILENO, &file), 0);
  const std::string device = std::to_string(file.st_dev);
  const std::string inode = std::to_string(file.st_ino);
  EXPECT_TRUE(stderr_is_journal(environment_of({{"JOURNAL_STREAM", device + ":" + inode}})));
  EXPECT_FALSE(stderr_is_journal(environment_of({{"JOURNAL_STREAM", device + ":" + inode + "1"}})));
  EXPECT_FALSE(stderr_is_journal(environment_of({{"JOURNAL_STREAM", "journal"}})));
  EXPECT_FALSE(stderr_is_journal(environment_of({})));
}

}  // namespace
}  // namespace millrace::server
