// TLS: the scripted peer behind a front that speaks it, with certificates made on the spot.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "client/scripted_peer_test.hpp"
#include "millrace/millrace.hpp"

namespace millrace {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
namespace amqp = amqp091;
using asio::ip::tcp;
using client_test::Greeting;
using client_test::ScriptedPeer;

// A key and a certificate signed by itself, for that name, in two PEM files.
void make_certificate(const std::string& name, const std::string& certificate_file,
                      const std::string& key_file) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  const std::string alternatives = "DNS:" + name;
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternatives.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());
  std::FILE* file = std::fopen(certificate_file.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

// Takes TLS connections, one after another, and passes what is in them to the port of a peer that speaks
// none.
class TlsFront {
 public:
  TlsFront(std::uint16_t inner_port, const std::string& certificate_file, const std::string& key_file)
      : tls_(ssl::context::tls_server),
        acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    tls_.use_certificate_chain_file(certificate_file);
    tls_.use_private_key_file(key_file, ssl::context::pem);
    tls_.load_verify_file(certificate_file);
    tls_.set_verify_mode(ssl::verify_peer);  // asks for a certificate, and takes none as well
    co_spawn(context_, serve(inner_port), detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~TlsFront() {
    context_.stop();
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  const std::string& client_name() const { return client_name_; }

 private:
  using Tls = ssl::stream<tcp::socket>;

  awaitable<void> serve(std::uint16_t inner_port) {
    for (;;) {
      boost::system::error_code error;
      auto outer = std::make_shared<Tls>(co_await acceptor_.async_accept(use_awaitable), tls_);
      co_await outer->async_handshake(ssl::stream_base::server, asio::redirect_error(use_awaitable, error));
      if (error) continue;
      if (X509* const certificate = SSL_get1_peer_certificate(outer->native_handle())) {
        client_name_ = "known";
        X509_free(certificate);
      }
      auto inner = std::make_shared<tcp::socket>(context_);
      const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), inner_port);
      co_await inner->async_connect(endpoint, asio::redirect_error(use_awaitable, error));
      co_spawn(context_, pass(outer, inner), detached);
      co_spawn(context_, pass(inner, outer), detached);
    }
  }

  template <class From, class To>
  static awaitable<void> pass(std::shared_ptr<From> from, std::shared_ptr<To> to) {
    std::vector<char> bytes(65536);
    for (;;) {
      boost::system::error_code error;
      const auto room = asio::buffer(bytes);
      const std::size_t got =
          co_await from->async_read_some(room, asio::redirect_error(use_awaitable, error));
      if (!error)
        co_await asio::async_write(*to, asio::buffer(room, got), asio::redirect_error(use_awaitable, error));
      if (!error) continue;
      from->lowest_layer().close(error);
      to->lowest_layer().close(error);
      co_return;
    }
  }

  asio::io_context context_;
  ssl::context tls_;
  tcp::acceptor acceptor_;
  std::string client_name_;
  std::thread thread_;
};

struct Tls : testing::Test {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("millrace_tls." + std::to_string(getpid()));
  std::string certificate = folder / "certificate.pem";
  std::string key = folder / "key.pem";
  ScriptedPeer peer;
  std::unique_ptr<TlsFront> front;
  ClientOptions options;

  void SetUp() override {
    std::filesystem::create_directory(folder);
    make_certificate("localhost", certificate, key);
    front = std::make_unique<TlsFront>(peer.port(), certificate, key);
    options = ClientOptions("amqps://guest:guest@localhost:" + std::to_string(front->port()));
    options.tls.ca_file = certificate;
    options.close_timeout = std::chrono::milliseconds(50);
  }
  void TearDown() override {
    front.reset();
    std::filesystem::remove_all(folder);
  }
  ErrorKind kind_of_connect(std::string* text = nullptr) {
    Client client(options);
    try {
      client.connect();
      return ErrorKind::none;
    } catch (const ClientError& error) {
      if (text) *text = error.what();
      return error.kind();
    }
  }
};

TEST_F(Tls, carries_messages_to_a_peer_whose_certificate_is_trusted) {
  Client client(options);
  auto receipt = client.async_publish("q", std::string(300'000, 'x'), use_future);
  peer.accept_client();
  const std::uint16_t channel = peer.expect_publisher();
  EXPECT_EQ(peer.expect_publish().body.size(), 300'000u);
  peer.send(channel, amqp::basic::Ack{1, false});
  EXPECT_EQ(receipt.get().attempts, 1u);
}

TEST_F(Tls, refuses_a_certificate_that_nobody_vouches_for) {
  options.tls.ca_file.clear();
  std::string text;
  EXPECT_EQ(kind_of_connect(&text), ErrorKind::tls);
  EXPECT_NE(text.find("tls.ca_file"), std::string::npos) << text;
}

TEST_F(Tls, refuses_a_certificate_for_another_name) {
  options.tls.server_name = "elsewhere.example";
  std::string text;
  EXPECT_EQ(kind_of_connect(&text), ErrorKind::tls);
  EXPECT_NE(text.find("not trusted"), std::string::npos) << text;
}

TEST_F(Tls, takes_anybody_only_when_told_to) {
  options.tls.ca_file.clear();
  options.tls.verify_peer = false;
  Client client(options);
  auto connected = client.async_connect(use_future);
  peer.accept_client();
  connected.get();
}

TEST_F(Tls, logs_in_by_its_certificate) {
  options.tls.certificate_file = certificate;
  options.tls.key_file = key;
  Client client(options);
  auto connected = client.async_connect(use_future);
  peer.accept();
  peer.send_start();
  EXPECT_EQ(peer.expect<amqp::connection::StartOk>().mechanism, "EXTERNAL");
  EXPECT_EQ(front->client_name(), "known");
}

TEST_F(Tls, names_the_file_that_cannot_be_read) {
  options.tls.ca_file = folder / "missing.pem";
  std::string text;
  EXPECT_EQ(kind_of_connect(&text), ErrorKind::tls);
  EXPECT_NE(text.find("missing.pem"), std::string::npos) << text;
}

TEST_F(Tls, gives_up_a_port_that_does_not_speak_it) {
  options.servers = {"amqps://localhost:" + std::to_string(peer.port())};
  Client client(options);
  auto connected = client.async_connect(use_future);
  EXPECT_TRUE(peer.connects_within(20'000));
  EXPECT_THROW(peer.accept(), std::runtime_error);  // what comes is no greeting in AMQP
  peer.write(ByteView{amqp::kProtocolHeader});
  try {
    connected.get();
    ADD_FAILURE() << "it connected";
  } catch (const ClientError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::tls) << error.what();
  }
}

}  // namespace
}  // namespace millrace
