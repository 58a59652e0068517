// The broker as a running program: shards' threads, disk threads, the node, pumps and listeners, wired
// together.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/task.hpp"
#include "broker/connection.hpp"
#include "runtime/file_system.hpp"
#include "runtime/os/byte_stream.hpp"
#include "server/config.hpp"
#include "server/log.hpp"

namespace millrace::server {

class Process {
 public:
  // Binds the addresses, opens the data directory, recovers, starts the threads, imports definitions, then
  // listens: on return clients are answered. An address in use or a locked directory is found before anything
  // on disk was changed.
  static result<std::unique_ptr<Process>> start(const Config& config, LogFunction log);
  // The same on other files than the system's.
  static result<std::unique_ptr<Process>> start(const Config& config, LogFunction log,
                                                std::unique_ptr<runtime::FileSystem> files);
  // Ends the threads; what was not drained by stop() is dropped, as by a crash.
  virtual ~Process() = default;

  // "ready amqp=127.0.0.1:5672 http=127.0.0.1:15672 data=/var/lib/millrace"
  virtual std::string ready_line() const = 0;
  // An AMQP connection that came by another way than a listener. False, and it is closed: there are
  // max_connections. Any thread, before stop().
  virtual bool connect(std::unique_ptr<runtime::ByteStream> stream, broker::ConnectionInfo info) = 0;
  // `done`, on some thread of the broker, when each of its loops has made a turn: never, while one of them
  // hangs.
  virtual void when_all_have_turned(Task done) = 0;
  // Reads again what comes from files: certificates and keys. All of it is read before any of it is used, and
  // an error, which is logged, leaves everything as it was. Opens the audit log anew. Any thread, before
  // stop().
  virtual void reload() = 0;
  // Accepts nobody any more, asks all connections to close and waits at most `grace` for them, makes all
  // durable; then `done`, on a shard's thread. Once.
  virtual void stop(runtime::Milliseconds grace, Task done) = 0;
};

}  // namespace millrace::server
