#include "server/span_export.hpp"

#include "base/bytes.hpp"
#include "runtime/os/entropy.hpp"

namespace millrace::server {

using management::otlp::SpanExporter;

result<std::unique_ptr<SpanExport>> SpanExport::make(const OtlpConfig& config,
                                                     management::otlp::Resource resource, Log log) {
  if (!config.endpoint) return std::unique_ptr<SpanExport>();
  std::unique_ptr<SpanExport> made(new SpanExport());
  auto client = net::HttpClient::make(made->loop_.context(), config.ca_file);
  if (!client) return client.error();
  made->client_ = std::move(*client);
  const net::Url& url = *config.endpoint;
  auto post = [client = made->client_.get(), url](std::string text, net::HttpClient::Done done) {
    client->post(url, "application/json", std::move(text), SpanExporter::kTimeout, std::move(done));
  };
  std::uint8_t seed[8];
  runtime::fill_random(seed);
  const std::string whither = (url.secure ? "https://" : "http://") + url.host + ":" + url.port + url.target;
  made->exporter_ =
      std::make_unique<SpanExporter>(made->loop_, made->loop_, std::move(post), std::move(resource), whither,
                                     load_le<std::uint64_t>(seed), std::move(log));
  return made;
}

SpanExport::~SpanExport() {
  stop();
}

void SpanExport::stop() {
  loop_.stop();
  loop_.join();
}

}  // namespace millrace::server
