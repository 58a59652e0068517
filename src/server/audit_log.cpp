#include "server/audit_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include "base/utf8.hpp"

namespace millrace::server {
namespace {

std::string_view name_of(broker::AuditEvent::Kind kind) {
  using Kind = broker::AuditEvent::Kind;
  switch (kind) {
    case Kind::login_accepted:
      return "login_accepted";
    case Kind::login_refused:
      return "login_refused";
    case Kind::access_refused:
      return "access_refused";
    case Kind::definition_changed:
      return "definition_changed";
  }
  return "";
}

std::string time_text(runtime::Milliseconds wall) {
  const std::time_t seconds = static_cast<std::time_t>(wall.count() / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(wall.count() % 1000));
  return std::string(text, size) + fraction;
}

result<Descriptor> open_file(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) return fail(Errc::io_error, "audit log '" + path + "': " + std::strerror(errno));
  return file;
}

}  // namespace

result<std::unique_ptr<AuditLog>> AuditLog::open(std::string path, const runtime::Clock& clock,
                                                 std::function<void(const std::string&)> complain) {
  auto file = open_file(path);
  if (!file) return file.error();
  std::unique_ptr<AuditLog> log(new AuditLog(std::move(path), clock, std::move(complain)));
  log->file_ = std::move(*file);
  return log;
}

void AuditLog::write(const broker::AuditEvent& event) {
  boost::json::object line;
  line["time"] = time_text(clock_.wall());
  line["event"] = name_of(event.kind);
  const auto put = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) line[name] = as_utf8(value);
  };
  put("user", event.user);
  put("peer", event.peer);
  put("protocol", event.protocol);
  put("vhost", event.vhost);
  put(event.kind == broker::AuditEvent::Kind::definition_changed ? "change" : "reason", event.what);
  const std::string text = boost::json::serialize(line) + "\n";
  const bool written = ::write(file_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (losing_.exchange(!written) == !written) return;
  complain_(written ? "the audit log is written again"
                    : "the audit log '" + path_ + "' cannot be written: " + std::strerror(errno));
}

result<void> AuditLog::reopen() {
  auto file = open_file(path_);
  if (!file) return file.error();
  // In one step: whoever writes meanwhile writes to the one or to the other.
  if (::dup3(file->get(), file_.get(), O_CLOEXEC) < 0)
    return fail(Errc::io_error, "audit log '" + path_ + "': " + std::strerror(errno));
  return {};
}

}  // namespace millrace::server
