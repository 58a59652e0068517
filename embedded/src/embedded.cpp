#include "millrace/embedded.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <utility>

#include "client/src/in_process.hpp"
#include "embedded/src/pipe_byte_stream.hpp"
#include "millrace/error.hpp"
#include "runtime/os/file_system.hpp"
#include "runtime/os/memory_file_system.hpp"
#include "server/process.hpp"

namespace millrace {
namespace {

constexpr const char* kMemoryDirectory = "/memory";

[[noreturn]] void refuse(const std::string& why) {
  throw ClientError(ErrorKind::invalid_argument, "the embedded broker cannot start: " + why);
}

ErrorKind kind_of(Errc code) {
  switch (code) {
    case Errc::resource_locked:
      return ErrorKind::locked;
    case Errc::invalid_argument:
      return ErrorKind::invalid_argument;
    case Errc::access_refused:
    case Errc::not_found:
    case Errc::precondition_failed:
    case Errc::not_allowed:
    case Errc::not_implemented:
    case Errc::content_too_large:
    case Errc::resource_error:
    case Errc::io_error:
    case Errc::disk_full:
    case Errc::corrupt:
    case Errc::shutting_down:
    case Errc::internal_error:
      break;
  }
  return ErrorKind::storage;
}

embedded_log_level level_of(broker::LogLevel level) {
  switch (level) {
    case broker::LogLevel::debug:
      return embedded_log_level::debug;
    case broker::LogLevel::info:
      return embedded_log_level::info;
    case broker::LogLevel::warning:
      return embedded_log_level::warning;
    case broker::LogLevel::error:
      return embedded_log_level::error;
  }
  return embedded_log_level::error;
}

std::string name_for(const embedded_options& options) {
  static std::atomic<unsigned> count{0};
  if (options.name.empty()) return "broker-" + std::to_string(++count);
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  if (!std::all_of(options.name.begin(), options.name.end(), fits))
    refuse("the name '" + options.name + "' has other signs than letters, digits, '-', '_' and '.'");
  return options.name;
}

server::Config config_for(const embedded_options& options) {
  server::Config config;
  config.log_level = broker::LogLevel::debug;  // the program's own function judges
  config.amqp.clear();
  config.http.clear();
  config.data_dir = options.data_dir.empty() ? kMemoryDirectory : options.data_dir;
  if (options.shards < 1 || options.shards > storage::DataDirectory::kMaxShards)
    refuse("shards is a number from 1 to " + std::to_string(storage::DataDirectory::kMaxShards));
  config.shards = options.shards;
  config.max_message_bytes = options.message_bytes_max;
  const std::array<std::string, 1> sync{options.sync};
  if (const auto set = server::find_config_option("sync")->set(config, sync); !set)
    refuse("sync: " + set.error().text);
  if (options.data_dir.empty()) {
    if (options.memory_bytes / options.shards < embedded_options::memory_bytes_min)
      refuse("memory_bytes is less than " + std::to_string(embedded_options::memory_bytes_min >> 20) +
             " MiB a shard");
    config.disk_low_water_bytes = options.memory_bytes / 8;
  }
  return config;
}

std::unique_ptr<runtime::FileSystem> files_for(const embedded_options& options) {
  if (options.data_dir.empty()) return std::make_unique<runtime::MemoryFileSystem>(options.memory_bytes);
  return std::make_unique<runtime::PosixFileSystem>();
}

server::LogFunction log_for(const embedded_options& options) {
  if (!options.log) return [](broker::LogLevel, std::string_view) {};
  return [log = options.log](broker::LogLevel level, std::string_view text) { log(level_of(level), text); };
}

// Threads that are made meanwhile get no signals: those are the program's.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

broker::ConnectionInfo owner_info() {
  broker::ConnectionInfo info;
  info.peer = "embedded";
  info.peer_is_loopback = true;
  info.peer_is_owner = true;
  return info;
}

}  // namespace

class embedded::Running {
 public:
  Running(const embedded_options& options, std::string name)
      : name_(std::move(name)), grace_(options.stop_grace), process_(start(options)) {
    const auto accept = [process = process_.get()](client::PipeEnd end) {
      return process->connect(std::make_unique<in_process::PipeByteStream>(std::move(end)), owner_info());
    };
    if (!client::add_in_process(name_, accept))
      throw ClientError(ErrorKind::not_allowed,
                        "an embedded broker named '" + name_ + "' runs in this process already");
  }

  void stop() {
    client::remove_in_process(name_);
    // Shared: the thread that sets it may still be inside it when this one has gone on.
    const auto stopped = std::make_shared<std::promise<void>>();
    process_->stop(grace_, [stopped] { stopped->set_value(); });
    stopped->get_future().wait();
  }

 private:
  static std::unique_ptr<server::Process> start(const embedded_options& options) {
    const server::Config config = config_for(options);
    const SignalsBlocked in_new_threads;
    auto process = server::Process::start(config, log_for(options), files_for(options));
    if (!process) throw ClientError(kind_of(process.error().code), process.error().text);
    return std::move(*process);
  }

  const std::string name_;
  const std::chrono::milliseconds grace_;
  const std::unique_ptr<server::Process> process_;
};

embedded::embedded(embedded_options options) {
  std::string name = name_for(options);
  address_ = "embedded://" + name;
  running_ = std::make_unique<Running>(options, std::move(name));
}

embedded::~embedded() {
  stop();
}

void embedded::stop() noexcept {
  if (!running_) return;
  running_->stop();
  running_.reset();
}

}  // namespace millrace
