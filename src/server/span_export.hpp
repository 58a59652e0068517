// Sending spans of messages to a collector, with the thread on which that is done.
//
// None is made when no collector is configured: then there is no thread, and shards look at nothing. It
// outlives the node, whose shards tell it.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "management/otlp/span_exporter.hpp"
#include "net/http_client.hpp"
#include "runtime/os/asio_loop.hpp"
#include "server/config.hpp"

namespace millrace::server {

class SpanExport {
 public:
  using Log = std::function<void(broker::LogLevel, std::string_view)>;

  // Null: none is configured. Errors: io_error, the text names the file.
  static result<std::unique_ptr<SpanExport>> make(const OtlpConfig& config,
                                                  management::otlp::Resource resource, Log log);
  ~SpanExport();

  broker::SpanSink sink() { return exporter_->sink(); }
  // Any thread.
  management::otlp::SpanFigures figures() const noexcept { return exporter_->figures(); }
  void start() { loop_.start(); }
  // Ends the thread; what has not been sent is lost. The sink may still be called.
  void stop();

 private:
  SpanExport() = default;

  runtime::AsioLoop loop_{"otlp", runtime::Precedence::background};
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<management::otlp::SpanExporter> exporter_;
};

}  // namespace millrace::server
