#include "net/tls_engine.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <cstring>
#include <functional>

#include "net/certificates_test.hpp"

namespace millrace::net {
namespace {

using Outcome = TlsEngine::Outcome;

// OpenSSL's own client, talking to an engine through memory.
class Dialogue final : private TlsEngine::Source {
 public:
  using Outcome = TlsEngine::Outcome;
  explicit Dialogue(std::shared_ptr<const TlsContext> context,
                    TlsEngine::Speaks speaks = TlsEngine::Speaks::anything)
      : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
        engine_(std::move(context), *this, speaks) {
    ssl_.reset(SSL_new(context_.get()), &SSL_free);
    from_server_ = BIO_new(BIO_s_mem());
    to_server_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), from_server_, to_server_);
    SSL_set_connect_state(ssl_.get());
  }
  SSL* client() { return ssl_.get(); }
  TlsEngine& server() { return engine_; }

  void show(const TestCertificate& certificate) {
    SSL_use_certificate(ssl_.get(), certificate.certificate.get());
    SSL_use_PrivateKey(ssl_.get(), certificate.key.get());
  }

  Outcome shake_hands() {
    Outcome outcome = Outcome::not_now;
    for (int i = 0; i < 10 && outcome == Outcome::not_now; ++i) {
      SSL_do_handshake(ssl_.get());
      outcome = engine_.handshake();
      carry();
    }
    if (outcome == Outcome::done) SSL_do_handshake(ssl_.get());
    return outcome;
  }
  void carry() {
    Buffer& output = engine_.output();
    if (!output.empty()) BIO_write(from_server_, output.data(), static_cast<int>(output.size()));
    output.clear();
  }
  void send_raw(std::string_view bytes) {
    BIO_write(to_server_, bytes.data(), static_cast<int>(bytes.size()));
  }

 private:
  Received receive(std::span<std::uint8_t> into) override {
    const int got = BIO_read(to_server_, into.data(), static_cast<int>(into.size()));
    if (got <= 0) return {};
    return {Source::Outcome::moved, static_cast<std::size_t>(got)};
  }

  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  BIO* from_server_ = nullptr;
  BIO* to_server_ = nullptr;
  TlsEngine engine_;
};

class Tls : public testing::Test {
 protected:
  TestFolder folder_;
  TestCertificate authority_ = make_certificate("authority");
  TestCertificate broker_ = make_certificate("broker.example", "DNS:broker.example", &authority_);

  TlsSettings settings() {
    TlsSettings made;
    made.certificates.push_back({folder_.write("broker", broker_), folder_.write_key("broker", broker_)});
    made.ca_file = folder_.write("authority", authority_);
    return made;
  }
  static std::shared_ptr<const TlsContext> load(const TlsSettings& settings) {
    auto loaded = TlsContext::load(settings);
    EXPECT_TRUE(loaded) << loaded.error().text;
    return *loaded;
  }
};

TEST_F(Tls, carries_bytes_both_ways_in_many_records) {
  Dialogue dialogue(load(settings()));
  ASSERT_EQ(dialogue.shake_hands(), Outcome::done) << dialogue.server().failure();
  EXPECT_EQ(dialogue.server().version(), "TLSv1.3");
  const std::string sent(100'000, 'x');
  ASSERT_EQ(SSL_write(dialogue.client(), sent.data(), static_cast<int>(sent.size())), 100'000);
  std::string got(60'000, '\0');
  auto read = dialogue.server().read({reinterpret_cast<std::uint8_t*>(got.data()), got.size()});
  EXPECT_EQ(read.outcome, Outcome::done);
  EXPECT_EQ(read.bytes, 60'000u);
  read = dialogue.server().read({reinterpret_cast<std::uint8_t*>(got.data()), got.size()});
  EXPECT_EQ(read.bytes, 40'000u);
  read = dialogue.server().read({reinterpret_cast<std::uint8_t*>(got.data()), got.size()});
  EXPECT_EQ(read.outcome, Outcome::not_now);

  ASSERT_TRUE(dialogue.server().write(as_bytes(std::string_view(sent))));
  dialogue.carry();
  std::size_t back = 0;
  for (int n = 1; n > 0; back += static_cast<std::size_t>(n > 0 ? n : 0))
    n = SSL_read(dialogue.client(), got.data(), static_cast<int>(got.size()));
  EXPECT_EQ(back, 100'000u);

  SSL_shutdown(dialogue.client());
  EXPECT_EQ(dialogue.server().read({reinterpret_cast<std::uint8_t*>(got.data()), 10}).outcome,
            Outcome::ended);
}

TEST_F(Tls, refuses_versions_before_1_2) {
  Dialogue dialogue(load(settings()));
  SSL_set_security_level(dialogue.client(), 0);
  SSL_set_min_proto_version(dialogue.client(), TLS1_VERSION);
  SSL_set_max_proto_version(dialogue.client(), TLS1_1_VERSION);
  EXPECT_EQ(dialogue.shake_hands(), Outcome::failed);
  EXPECT_NE(dialogue.server().failure().find("protocol"), std::string::npos) << dialogue.server().failure();
}

TEST_F(Tls, refuses_1_2_when_only_1_3_is_wanted_and_ciphers_without_forward_secrecy) {
  TlsSettings strict = settings();
  strict.only_tls13 = true;
  Dialogue old(load(strict));
  SSL_set_max_proto_version(old.client(), TLS1_2_VERSION);
  EXPECT_EQ(old.shake_hands(), Outcome::failed);
  Dialogue weak(load(settings()));
  SSL_set_max_proto_version(weak.client(), TLS1_2_VERSION);
  SSL_set_cipher_list(weak.client(), "AES128-SHA:ECDHE-ECDSA-AES128-SHA");
  EXPECT_EQ(weak.shake_hands(), Outcome::failed);
  Dialogue good(load(settings()));
  SSL_set_max_proto_version(good.client(), TLS1_2_VERSION);
  EXPECT_EQ(good.shake_hands(), Outcome::done);
  EXPECT_EQ(good.server().version(), "TLSv1.2");
}

TEST_F(Tls, shows_the_certificate_that_the_client_names) {
  const TestCertificate other =
      make_certificate("other", "DNS:other.example, DNS:*.wild.example", &authority_);
  TlsSettings two = settings();
  two.certificates.push_back({folder_.write("other", other), folder_.write_key("other", other)});
  const auto context = load(two);
  const auto shown_to = [&](const char* name) {
    Dialogue dialogue(context);
    if (name != nullptr) SSL_set_tlsext_host_name(dialogue.client(), name);
    EXPECT_EQ(dialogue.shake_hands(), Outcome::done);
    X509* shown = SSL_get0_peer_certificate(dialogue.client());
    return X509_cmp(shown, other.certificate.get()) == 0 ? "other" : "broker";
  };
  EXPECT_STREQ(shown_to(nullptr), "broker");
  EXPECT_STREQ(shown_to("broker.example"), "broker");
  EXPECT_STREQ(shown_to("other.example"), "other");
  EXPECT_STREQ(shown_to("a.wild.example"), "other");
  EXPECT_STREQ(shown_to("nobody.example"), "broker");
}

TEST_F(Tls, verifies_clients_as_asked) {
  const TestCertificate alice =
      make_certificate("alice", "email:alice@example.org, DNS:alice.example", &authority_);
  const TestCertificate stranger = make_certificate("alice");
  const TestCertificate late = make_certificate("late", {}, &authority_, -60);
  const auto outcome = [&](VerifyClient verify, const TestCertificate* shown, std::string* user = nullptr) {
    TlsSettings asked = settings();
    asked.verify = verify;
    Dialogue dialogue(load(asked));
    if (shown != nullptr) dialogue.show(*shown);
    const Outcome came = dialogue.shake_hands();
    if (user != nullptr) *user = dialogue.server().peer_name(LoginFrom::common_name);
    return came;
  };
  std::string user;
  EXPECT_EQ(outcome(VerifyClient::require, &alice, &user), Outcome::done);
  EXPECT_EQ(user, "alice");
  EXPECT_EQ(outcome(VerifyClient::optional, &alice, &user), Outcome::done);
  EXPECT_EQ(user, "alice");
  EXPECT_EQ(outcome(VerifyClient::optional, nullptr, &user), Outcome::done);
  EXPECT_EQ(user, "");
  // Not asked for, it is not shown, and is nobody's name.
  EXPECT_EQ(outcome(VerifyClient::none, &alice, &user), Outcome::done);
  EXPECT_EQ(user, "");
  EXPECT_EQ(outcome(VerifyClient::require, nullptr), Outcome::failed);
  EXPECT_EQ(outcome(VerifyClient::require, &stranger), Outcome::failed);
  EXPECT_EQ(outcome(VerifyClient::optional, &stranger), Outcome::failed);
  EXPECT_EQ(outcome(VerifyClient::require, &late), Outcome::failed);
}

TEST_F(Tls, finds_the_users_name_where_it_is_told_to) {
  const TestCertificate alice = make_certificate(
      "alice", "email:alice@example.org, DNS:alice.example, URI:urn:user:alice", &authority_);
  TlsSettings asked = settings();
  asked.verify = VerifyClient::require;
  Dialogue dialogue(load(asked));
  dialogue.show(alice);
  ASSERT_EQ(dialogue.shake_hands(), Outcome::done);
  const TlsEngine& server = dialogue.server();
  EXPECT_EQ(server.peer_name(LoginFrom::common_name), "alice");
  EXPECT_EQ(server.peer_name(LoginFrom::distinguished_name), "CN=alice");
  EXPECT_EQ(server.peer_name(LoginFrom::san_dns), "alice.example");
  EXPECT_EQ(server.peer_name(LoginFrom::san_email), "alice@example.org");
  EXPECT_EQ(server.peer_name(LoginFrom::san_uri), "urn:user:alice");
  EXPECT_EQ(server.peer_issuer(), "CN=authority");
}

TEST_F(Tls, finds_no_name_where_two_could_be_read) {
  TestCertificate twice = make_certificate("admin", "DNS:other", &authority_);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(twice.certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("guest"), -1, -1, 0);
  X509_sign(twice.certificate.get(), authority_.key.get(), EVP_sha256());
  TestCertificate cut = make_certificate("x", {}, &authority_);
  X509_NAME* name = X509_NAME_new();
  X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING,
                             reinterpret_cast<const unsigned char*>("guest\0.example"), 14, -1, 0);
  X509_set_subject_name(cut.certificate.get(), name);
  X509_NAME_free(name);
  X509_sign(cut.certificate.get(), authority_.key.get(), EVP_sha256());
  for (const TestCertificate* shown : {&twice, &cut}) {
    TlsSettings asked = settings();
    asked.verify = VerifyClient::require;
    Dialogue dialogue(load(asked));
    dialogue.show(*shown);
    ASSERT_EQ(dialogue.shake_hands(), Outcome::done) << dialogue.server().failure();
    EXPECT_EQ(dialogue.server().peer_name(LoginFrom::common_name), "");
  }
}

TEST_F(Tls, tells_what_a_peer_without_tls_speaks) {
  const auto failure_of = [&](std::string_view bytes) {
    Dialogue dialogue(load(settings()));
    dialogue.send_raw(bytes);
    EXPECT_EQ(dialogue.server().handshake(), Outcome::failed);
    return dialogue.server().failure();
  };
  EXPECT_EQ(failure_of(std::string_view("AMQP\0\0\x09\x01", 8)), "the client speaks AMQP without TLS");
  EXPECT_EQ(failure_of("GET / HTTP/1.1\r\n\r\n"), "the client speaks HTTP without TLS");
  EXPECT_EQ(failure_of("hello, is anybody there?"), "the client does not speak TLS");
}

TEST_F(Tls, speaks_http_1_1_and_nothing_else_where_it_is_told_to) {
  const auto chosen = [&](std::string offered, Outcome expected) {
    Dialogue dialogue(load(settings()), TlsEngine::Speaks::http11);
    SSL_set_alpn_protos(dialogue.client(), reinterpret_cast<const unsigned char*>(offered.data()),
                        static_cast<unsigned>(offered.size()));
    EXPECT_EQ(dialogue.shake_hands(), expected);
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(dialogue.client(), &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  };
  EXPECT_EQ(chosen("\x02h2\x08http/1.1", Outcome::done), "http/1.1");
  EXPECT_EQ(chosen("\x02h2", Outcome::failed), "");
}

TEST_F(Tls, ends_a_peer_that_changes_its_keys_all_the_time) {
  Dialogue dialogue(load(settings()));
  ASSERT_EQ(dialogue.shake_hands(), Outcome::done);
  std::uint8_t into[64];
  Outcome outcome = Outcome::not_now;
  unsigned updates = 0;
  for (; updates < 2 * TlsEngine::kKeyUpdatesMax && outcome != Outcome::failed; ++updates) {
    SSL_key_update(dialogue.client(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_write(dialogue.client(), "x", 1);
    outcome = dialogue.server().read(into).outcome;
  }
  EXPECT_EQ(outcome, Outcome::failed);
  EXPECT_LE(updates, TlsEngine::kKeyUpdatesMax + 2);
  EXPECT_EQ(dialogue.server().failure(), "the peer changes its keys all the time");
}

TEST_F(Tls, is_not_loaded_from_files_that_do_not_fit) {
  const auto refused = [&](const std::function<void(TlsSettings&)>& spoil) {
    TlsSettings spoilt = settings();
    spoil(spoilt);
    const auto loaded = TlsContext::load(spoilt);
    EXPECT_FALSE(loaded);
    return loaded ? std::string() : loaded.error().text;
  };
  EXPECT_NE(refused([](TlsSettings& s) {
              s.certificates[0].key_file = "/nowhere/key.pem";
            }).find("key '/nowhere/key.pem': No such file"),
            std::string::npos);
  EXPECT_NE(refused([&](TlsSettings& s) {
              s.certificates[0].key_file = folder_.write_key("other", make_certificate("other"));
            }).find("key values mismatch"),
            std::string::npos);
  refused([&](TlsSettings& s) { s.certificates[0].chain_file = folder_.write_text("empty", ""); });
  refused([&](TlsSettings& s) { s.certificates.clear(); });
  refused([&](TlsSettings& s) {
    s.verify = VerifyClient::require;
    s.ca_file = folder_.write_text("no-ca", "not PEM");
  });
  refused([&](TlsSettings& s) {
    s.verify = VerifyClient::optional;
    s.ca_file.clear();
  });
}

TEST_F(Tls, warns_of_a_certificate_that_has_ended_and_of_a_key_for_everybody) {
  const TestCertificate late = make_certificate("late", {}, &authority_, -60);
  TlsSettings given;
  given.certificates.push_back({folder_.write("late", late), folder_.write_key("late", late)});
  std::filesystem::permissions(given.certificates[0].key_file, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  const auto loaded = load(given);
  EXPECT_EQ(loaded->warnings().size(), 2u);
}

}  // namespace
}  // namespace millrace::net
