#include "broker/access/scram.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "base/base64.hpp"
#include "base/bytes.hpp"

namespace millrace::broker {
namespace {

constexpr std::array<std::uint8_t, 18> kNonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
constexpr std::array<std::uint8_t, 32> kKey{7};

std::string stored_for(std::string_view password) {
  std::array<std::uint8_t, 16> salt;
  salt.fill(9);
  return hash_password(password, salt, 4096);
}

// A client's side, written down anew from RFC 5802 §3.
class Client {
 public:
  Client(ScramHash hash, std::string user, std::string password)
      : digest_(hash == ScramHash::sha256 ? EVP_sha256() : EVP_sha512()), password_(std::move(password)) {
    bare_ = "n=" + user + ",r=clientnonce";
  }
  std::string first() const { return header_ + bare_; }
  std::string final(const std::string& server_first) {
    const std::string nonce = part(server_first, "r=");
    const auto salt = decode_base64(part(server_first, "s="));
    const int iterations = std::stoi(part(server_first, "i="));
    const int size = EVP_MD_get_size(digest_);
    std::string salted(static_cast<std::size_t>(size), '\0');
    PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()),
                      reinterpret_cast<const unsigned char*>(salt->data()), static_cast<int>(salt->size()),
                      iterations, digest_, size, reinterpret_cast<unsigned char*>(salted.data()));
    const std::string without_proof = "c=" + encode_base64(header_) + ",r=" + nonce + nonce_suffix;
    auth_message_ = bare_ + "," + server_first + "," + without_proof;
    std::string client_key = mac(salted, "Client Key");
    std::string stored(client_key.size(), '\0');
    EVP_Digest(client_key.data(), client_key.size(), reinterpret_cast<unsigned char*>(stored.data()), nullptr,
               digest_, nullptr);
    const std::string signature = mac(stored, auth_message_);
    for (std::size_t i = 0; i < client_key.size(); ++i)
      client_key[i] = static_cast<char>(client_key[i] ^ signature[i]);
    expected_ = "v=" + encode_base64(mac(mac(salted, "Server Key"), auth_message_));
    return without_proof + ",p=" + encode_base64(client_key);
  }
  const std::string& expected() const { return expected_; }
  std::string nonce_suffix;
  std::string header_ = "n,,";

 private:
  static std::string part(const std::string& message, const std::string& name) {
    const std::size_t at = message.find(name) + 2;
    return message.substr(at, message.find(',', at) - at);
  }
  std::string mac(const std::string& key, const std::string& text) const {
    std::string made(static_cast<std::size_t>(EVP_MD_get_size(digest_)), '\0');
    HMAC(digest_, key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(made.data()), nullptr);
    return made;
  }
  const EVP_MD* digest_;
  std::string password_;
  std::string bare_;
  std::string auth_message_;
  std::string expected_;
};

bool logs_in(ScramHash hash, std::string_view stored, Client& client) {
  auto login = ScramLogin::begin(hash, client.first());
  if (!login) return false;
  const std::string challenge = login->challenge(stored, kNonce, kKey);
  const bool right = login->verify(client.final(challenge));
  if (right) {
    EXPECT_EQ(login->server_final(), client.expected());
  }
  return right;
}

TEST(Scram, lets_in_who_knows_the_password_by_either_hash) {
  for (const ScramHash hash : {ScramHash::sha256, ScramHash::sha512}) {
    Client right(hash, "ann", "s3cret");
    EXPECT_TRUE(logs_in(hash, stored_for("s3cret"), right));
    Client wrong(hash, "ann", "s3cre");
    EXPECT_FALSE(logs_in(hash, stored_for("s3cret"), wrong));
    Client empty(hash, "ann", "");
    EXPECT_FALSE(logs_in(hash, stored_for("s3cret"), empty));
  }
}

TEST(Scram, computes_what_rfc_7677_shows) {
  // RFC 7677 §3: user "user", password "pencil", with its nonces; the proof there must be right for these
  // keys.
  const std::string salted_base64 = "W22ZaJ0SNY7soEsUEjb6gQ==";
  const auto salt = decode_base64(salted_base64);
  std::array<std::uint8_t, 16> fixed;
  std::copy(salt->begin(), salt->end(), fixed.begin());
  const auto keys = scram_keys(hash_password("pencil", fixed, 4096), ScramHash::sha256);
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->iterations, 4096u);
  EXPECT_EQ(keys->salt_base64, salted_base64);
  const std::string auth_message =
      "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  std::array<std::uint8_t, 32> signature;
  HMAC(EVP_sha256(), keys->server_key.data(), 32, reinterpret_cast<const unsigned char*>(auth_message.data()),
       auth_message.size(), signature.data(), nullptr);
  EXPECT_EQ(encode_base64({reinterpret_cast<const char*>(signature.data()), signature.size()}),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, answers_for_unknown_users_as_for_known_ones_and_refuses_them) {
  for (const ScramHash hash : {ScramHash::sha256, ScramHash::sha512}) {
    for (const char* stored : {"", "{rabbitmq-sha256}AAAA", "{scram}4096$AAAA$AAAA$AAAA$AAAA$AAAA"}) {
      Client client(hash, "nobody", "");
      auto login = ScramLogin::begin(hash, client.first());
      ASSERT_TRUE(login);
      const std::string challenge = login->challenge(stored, kNonce, kKey);
      auto again = ScramLogin::begin(hash, client.first());
      EXPECT_EQ(again->challenge(stored, kNonce, kKey), challenge);
      EXPECT_NE(challenge.find(",i=100000"), std::string::npos);
      EXPECT_FALSE(login->verify(client.final(challenge)));
    }
  }
}

TEST(Scram, serves_sha_256_and_not_sha_512_from_what_earlier_versions_stored) {
  const std::string earlier =
      "{pbkdf2-sha256}1000$AAECAwQFBgcICQoLDA0ODw==$f+p1dt5Pv/WKAHCAqWe7vBAPWYBRYD8+nuK+Vm9T83U=";
  Client sha256(ScramHash::sha256, "ann", "guest");
  EXPECT_TRUE(logs_in(ScramHash::sha256, earlier, sha256));
  Client sha512(ScramHash::sha512, "ann", "guest");
  EXPECT_FALSE(logs_in(ScramHash::sha512, earlier, sha512));
}

TEST(Scram, checks_the_nonce_and_the_binding) {
  Client longer(ScramHash::sha256, "ann", "s3cret");
  longer.nonce_suffix = "x";
  EXPECT_FALSE(logs_in(ScramHash::sha256, stored_for("s3cret"), longer));
  // A proof for one challenge is none for another.
  Client client(ScramHash::sha256, "ann", "s3cret");
  auto first = ScramLogin::begin(ScramHash::sha256, client.first());
  const std::string proof = client.final(first->challenge(stored_for("s3cret"), kNonce, kKey));
  auto second = ScramLogin::begin(ScramHash::sha256, client.first());
  constexpr std::array<std::uint8_t, 18> kOther{1};
  second->challenge(stored_for("s3cret"), kOther, kKey);
  EXPECT_FALSE(second->verify(proof));
  EXPECT_TRUE(first->verify(proof));
  EXPECT_FALSE(first->verify(proof)) << "a login is for one attempt";
  auto unasked = ScramLogin::begin(ScramHash::sha256, client.first());
  EXPECT_FALSE(unasked->verify(proof)) << "before its challenge";
}

TEST(Scram, refuses_first_messages_that_ask_for_what_is_not_offered) {
  for (const char* message :
       {"", "n,,", "n,,n=,r=x", "n,,n=ann", "n,,n=ann,r=", "n,,r=x,n=ann", "p=tls-unique,,n=ann,r=x",
        "n,a=other,n=ann,r=x", "n,x=ann,n=ann,r=x", "n,,m=ext,n=ann,r=x", "n,,n=a=b,r=x", "n,,n=ann,r=a b",
        "q,,n=ann,r=x", "n,", "n"}) {
    EXPECT_FALSE(ScramLogin::begin(ScramHash::sha256, message)) << message;
  }
  EXPECT_FALSE(ScramLogin::begin(ScramHash::sha256, "n,,n=ann,r=" + std::string(5000, 'x')));
  const auto escaped = ScramLogin::begin(ScramHash::sha256, "y,a=a=2Cb=3D,n=a=2Cb=3D,r=x");
  ASSERT_TRUE(escaped);
  EXPECT_EQ(escaped->user(), "a,b=");
}

TEST(Scram, refuses_final_messages_that_are_malformed) {
  const std::string stored = stored_for("s3cret");
  for (const char* message :
       {"", "c=biws", "c=biws,r=x", "c=biws,r=x,p=", "p=AAAA", ",p=AAAA", "c=eSws,r=x,p=AAAA"}) {
    Client client(ScramHash::sha256, "ann", "s3cret");
    auto login = ScramLogin::begin(ScramHash::sha256, client.first());
    login->challenge(stored, kNonce, kKey);
    EXPECT_FALSE(login->verify(message)) << message;
  }
}

}  // namespace
}  // namespace millrace::broker
