#include "auth/token.hpp"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <array>

#include "base/base64.hpp"

namespace millrace::auth {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr std::int64_t kNowS = kNowMs / 1000;

std::string base64url(std::string_view bytes) {
  std::string text = encode_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string number(EVP_PKEY* key, const char* name, int size = 0) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, name, &value);
  std::string bytes(static_cast<std::size_t>(size == 0 ? BN_num_bytes(value) : size), '\0');
  BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  BN_free(value);
  return base64url(bytes);
}

// Who signs tokens.
class Issuer {
 public:
  static Issuer rsa(int bits = 2048) {
    Issuer made(EVP_RSA_gen(static_cast<unsigned>(bits)));
    made.jwk_ = R"("kty":"RSA","n":")" + number(made.key_.get(), OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
                number(made.key_.get(), OSSL_PKEY_PARAM_RSA_E) + '"';
    return made;
  }
  static Issuer curve(const char* name, int half) {
    Issuer made(EVP_EC_gen(name));
    made.half_ = half;
    made.jwk_ = R"("kty":"EC","crv":")" + std::string(name) + R"(","x":")" +
                number(made.key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, half) + R"(","y":")" +
                number(made.key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, half) + '"';
    return made;
  }
  static Issuer ed25519() {
    Issuer made(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    std::array<unsigned char, 32> raw{};
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(made.key_.get(), raw.data(), &size);
    made.jwk_ =
        R"("kty":"OKP","crv":"Ed25519","x":")" + base64url({reinterpret_cast<char*>(raw.data()), size}) + '"';
    return made;
  }

  std::string jwk(const std::string& more = R"("kid":"k")") const { return "{" + jwk_ + "," + more + "}"; }
  std::string public_text() const { return jwk_; }

  std::string sign(const std::string& header, const std::string& claims, const EVP_MD* digest,
                   bool pss = false) const {
    const std::string text = base64url(header) + "." + base64url(claims);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* padding = nullptr;
    EVP_DigestSignInit(context, &padding, digest, nullptr, key_.get());
    if (pss) {
      EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST);
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    EVP_DigestSign(context, nullptr, &size, bytes, text.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, text.size());
    EVP_MD_CTX_free(context);
    signature.resize(size);
    if (half_ != 0) signature = raw(signature);
    return text + "." + base64url(signature);
  }

 private:
  explicit Issuer(EVP_PKEY* key) : key_(key, &EVP_PKEY_free) {}
  std::string raw(const std::string& der) const {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string bytes(static_cast<std::size_t>(2 * half_), '\0');
    auto* to = reinterpret_cast<unsigned char*>(bytes.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), to, half_);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), to + half_, half_);
    ECDSA_SIG_free(parts);
    return bytes;
  }
  std::shared_ptr<EVP_PKEY> key_;
  std::string jwk_;
  int half_ = 0;
};

const Issuer& an_issuer() {
  static const Issuer made = Issuer::rsa();
  return made;
}

std::string header(std::string_view algorithm, const std::string& more = R"(,"kid":"k")") {
  return R"({"alg":")" + std::string(algorithm) + "\"" + more + "}";
}

std::string claims(const std::string& more = {}, std::int64_t ends_s = kNowS + 60) {
  return R"({"sub":"ann","aud":"millrace","scope":"millrace.read:*/*","exp":)" + std::to_string(ends_s) +
         more + "}";
}

TokenRules rules() {
  TokenRules made;
  made.audience = "millrace";
  made.algorithms = {Algorithm::rs256, Algorithm::rs384, Algorithm::rs512, Algorithm::ps256,
                     Algorithm::ps384, Algorithm::ps512, Algorithm::es256, Algorithm::es384,
                     Algorithm::es512, Algorithm::eddsa};
  made.user_claims = {"sub", "client_id"};
  made.scope_claims = {"scope"};
  return made;
}

KeySet keys_of(const std::string& jwk) {
  auto set = KeySet::parse("{\"keys\":[" + jwk + "]}");
  EXPECT_TRUE(set.has_value()) << (set.has_error() ? set.error().text : "");
  return set.has_value() ? *set : KeySet();
}

result<Token> read_rsa(const std::string& body, const TokenRules& by = rules()) {
  const std::string token = an_issuer().sign(header("RS256"), body, EVP_sha256());
  return read_token(token, keys_of(an_issuer().jwk()), by, kNowMs);
}

std::string why(const result<Token>& outcome) {
  return outcome.has_error() ? outcome.error().text : "it is good";
}

TEST(Token, is_good_by_each_algorithm_and_key) {
  const Issuer rsa = Issuer::rsa();
  const Issuer p256 = Issuer::curve("P-256", 32);
  const Issuer p384 = Issuer::curve("P-384", 48);
  const Issuer p521 = Issuer::curve("P-521", 66);
  const Issuer ed = Issuer::ed25519();
  struct Case {
    const char* name;
    const Issuer* issuer;
    const EVP_MD* digest;
    bool pss;
  };
  const std::array<Case, 10> cases{{{"RS256", &rsa, EVP_sha256(), false},
                                    {"RS384", &rsa, EVP_sha384(), false},
                                    {"RS512", &rsa, EVP_sha512(), false},
                                    {"PS256", &rsa, EVP_sha256(), true},
                                    {"PS384", &rsa, EVP_sha384(), true},
                                    {"PS512", &rsa, EVP_sha512(), true},
                                    {"ES256", &p256, EVP_sha256(), false},
                                    {"ES384", &p384, EVP_sha384(), false},
                                    {"ES512", &p521, EVP_sha512(), false},
                                    {"EdDSA", &ed, nullptr, false}}};
  for (const Case& one : cases) {
    const std::string token = one.issuer->sign(header(one.name), claims(), one.digest, one.pss);
    const KeySet keys = keys_of(one.issuer->jwk());
    const auto good = read_token(token, keys, rules(), kNowMs);
    EXPECT_TRUE(good.has_value()) << one.name << ": " << why(good);
    if (good.has_value()) {
      EXPECT_EQ(good->user, "ann");
    }
    std::string forged = token;
    forged[forged.size() - 5] = forged[forged.size() - 5] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(read_token(forged, keys, rules(), kNowMs).has_error()) << one.name;
    // What was signed for one algorithm is nothing to another one of the same key.
    for (const Case& other : cases) {
      if (other.issuer != one.issuer || other.name == one.name) continue;
      const std::string claimed = base64url(header(other.name)) + token.substr(token.find('.'));
      EXPECT_TRUE(read_token(claimed, keys, rules(), kNowMs).has_error()) << one.name << other.name;
    }
  }
}

TEST(Token, without_a_signature_is_refused) {
  for (const char* name : {"none", "None", "NONE", "", "HS256 "}) {
    const std::string token = base64url(header(name)) + "." + base64url(claims()) + ".";
    EXPECT_EQ(why(read_token(token, keys_of(an_issuer().jwk()), rules(), kNowMs)),
              "token: it is not signed, or not by an algorithm that is understood");
  }
  const std::string signed_by_nobody = base64url(header("RS256")) + "." + base64url(claims()) + ".";
  EXPECT_EQ(why(read_token(signed_by_nobody, keys_of(an_issuer().jwk()), rules(), kNowMs)),
            "token: its signature is wrong");
}

std::string sign_by_secret(const std::string& secret, std::string_view algorithm = "HS256") {
  const std::string text = base64url(header(algorithm)) + "." + base64url(claims());
  std::array<unsigned char, 64> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  return text + "." + base64url({reinterpret_cast<char*>(mac.data()), size});
}

TEST(Token, signed_with_a_public_key_as_if_it_were_a_secret_is_refused) {
  TokenRules all = rules();
  all.algorithms.push_back(Algorithm::hs256);
  const KeySet keys = keys_of(an_issuer().jwk());
  for (const std::string& secret : {an_issuer().public_text(), an_issuer().jwk(), std::string()}) {
    EXPECT_TRUE(read_token(sign_by_secret(secret), keys, all, kNowMs).has_error());
  }
}

TEST(Token, by_a_secret_counts_where_the_operator_has_one_and_allows_it) {
  const std::string secret = "a secret of thirty-two bytes or more";
  KeySet keys;
  ASSERT_TRUE(keys.add_secret(secret).has_value());
  EXPECT_EQ(why(read_token(sign_by_secret(secret), keys, rules(), kNowMs)),
            "token: it is signed by HS256, which is not allowed");
  TokenRules all = rules();
  all.algorithms.push_back(Algorithm::hs256);
  EXPECT_TRUE(read_token(sign_by_secret(secret), keys, all, kNowMs).has_value());
  EXPECT_EQ(why(read_token(sign_by_secret("another secret of thirty-two bytes"), keys, all, kNowMs)),
            "token: its signature is wrong");
  EXPECT_TRUE(KeySet().add_secret("short").has_error());
}

TEST(Token, of_an_unknown_key_may_be_good_with_other_keys) {
  const std::string token = Issuer::rsa().sign(header("RS256", R"(,"kid":"new")"), claims(), EVP_sha256());
  const auto outcome = read_token(token, keys_of(an_issuer().jwk()), rules(), kNowMs);
  ASSERT_TRUE(outcome.has_error());
  EXPECT_EQ(outcome.error().code, Errc::not_found);
}

TEST(Token, counts_from_its_beginning_to_its_end_and_a_little_around) {
  const std::int64_t leeway = TokenRules::kLeewayS;
  const auto good = read_rsa(claims({}, kNowS - leeway + 1));
  ASSERT_TRUE(good.has_value()) << why(good);
  EXPECT_EQ(good->ends_ms, kNowMs + 1000);
  EXPECT_EQ(why(read_rsa(claims({}, kNowS - leeway))), "token: it has ended");
  EXPECT_TRUE(read_rsa(claims(",\"nbf\":" + std::to_string(kNowS + leeway))).has_value());
  EXPECT_EQ(why(read_rsa(claims(",\"nbf\":" + std::to_string(kNowS + leeway + 1)))),
            "token: it does not count yet");
  EXPECT_EQ(why(read_rsa(claims(",\"nbf\":\"soon\""))), "token: it does not count yet");
  EXPECT_EQ(why(read_rsa(R"({"sub":"ann","aud":"millrace"})")), "token: it does not say when it ends");
  EXPECT_EQ(why(read_rsa(R"({"sub":"ann","aud":"millrace","exp":"9999999999"})")),
            "token: it does not say when it ends");
  EXPECT_EQ(why(read_rsa(R"({"sub":"ann","aud":"millrace","exp":1e300})")),
            "token: it does not say when it ends");
}

TEST(Token, must_be_for_us_and_of_the_issuer_that_we_know) {
  const std::string end = ",\"exp\":" + std::to_string(kNowS + 60) + "}";
  EXPECT_TRUE(read_rsa(R"({"sub":"ann","aud":["others","millrace"])" + end).has_value());
  for (const char* aud : {R"("aud":"others")", R"("aud":["others"])", R"("aud":"millrace2")",
                          R"("aud":{"millrace":1})", R"("x":1)"}) {
    EXPECT_EQ(why(read_rsa(R"({"sub":"ann",)" + std::string(aud) + end)), "token: it is for somebody else");
  }
  TokenRules strict = rules();
  strict.issuer = "https://issuer.example";
  EXPECT_EQ(why(read_rsa(claims(), strict)), "token: it is of another issuer");
  EXPECT_EQ(why(read_rsa(claims(R"(,"iss":"https://issuer.example/")"), strict)),
            "token: it is of another issuer");
  EXPECT_TRUE(read_rsa(claims(R"(,"iss":"https://issuer.example")"), strict).has_value());
}

TEST(Token, names_its_user_and_its_scopes) {
  const std::string end = ",\"aud\":\"millrace\",\"exp\":" + std::to_string(kNowS + 60) + "}";
  const auto by_client = read_rsa(R"({"client_id":"service","scope":["a","b c"])" + end);
  ASSERT_TRUE(by_client.has_value()) << why(by_client);
  EXPECT_EQ(by_client->user, "service");
  EXPECT_EQ(by_client->scopes, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(why(read_rsa(R"({"scope":"a")" + end)), "token: it does not say whose it is");
  EXPECT_EQ(why(read_rsa(R"({"sub":")" + std::string(256, 'x') + "\"" + end)),
            "token: it does not say whose it is");
}

TEST(Token, that_is_malformed_or_asks_for_what_is_not_understood_is_refused) {
  const KeySet keys = keys_of(an_issuer().jwk());
  const std::string good = an_issuer().sign(header("RS256"), claims(), EVP_sha256());
  for (std::size_t length = 0; length < good.size(); length += 7)
    EXPECT_TRUE(read_token(good.substr(0, length), keys, rules(), kNowMs).has_error()) << length;
  EXPECT_TRUE(read_token(good + ".more", keys, rules(), kNowMs).has_error());
  EXPECT_TRUE(read_token(good + "=", keys, rules(), kNowMs).has_error());
  const std::string critical =
      an_issuer().sign(header("RS256", R"(,"kid":"k","crit":["exp"])"), claims(), EVP_sha256());
  EXPECT_EQ(why(read_token(critical, keys, rules(), kNowMs)), "token: it has critical extensions");
  EXPECT_EQ(why(read_rsa("[1]")), "token: it is malformed");
  EXPECT_EQ(why(read_token(std::string(TokenRules::kMaxBytes + 1, 'e'), keys, rules(), kNowMs)),
            "token: it is too long");
}

TEST(KeySet, passes_over_what_it_does_not_understand_and_takes_no_secrets) {
  const auto set =
      KeySet::parse(R"({"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0","kid":"k"},
    {"kty":"OKP","crv":"X25519","x":"AA"},{"kty":"new"},)" +
                    an_issuer().jwk(R"("kid":"enc","use":"enc")") + "," + an_issuer().jwk() + "]}");
  ASSERT_TRUE(set.has_value()) << set.error().text;
  ASSERT_EQ(set->keys().size(), 1u);
  EXPECT_EQ(set->keys().front().id(), "k");
}

TEST(KeySet, that_is_malformed_or_weak_is_an_error) {
  for (const char* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[1]})", R"({"keys":[]})",
                           R"({"keys":[{"kty":"RSA","n":"!","e":"AQAB"}]})",
                           R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})"}) {
    EXPECT_TRUE(KeySet::parse(text).has_error()) << text;
  }
  EXPECT_TRUE(KeySet::parse("{\"keys\":[" + Issuer::rsa(1024).jwk() + "]}").has_error());
  const std::string zeros(43, 'A');
  EXPECT_TRUE(
      KeySet::parse(R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + zeros + R"(","y":")" + zeros + "\"}]}")
          .has_error());
}

TEST(KeySet, holds_a_key_to_its_own_algorithm) {
  const KeySet keys = keys_of(an_issuer().jwk(R"("kid":"k","alg":"PS256")"));
  const std::string token = an_issuer().sign(header("RS256"), claims(), EVP_sha256());
  EXPECT_TRUE(read_token(token, keys, rules(), kNowMs).has_error());
  const std::string right = an_issuer().sign(header("PS256"), claims(), EVP_sha256(), true);
  EXPECT_TRUE(read_token(right, keys, rules(), kNowMs).has_value());
}

}  // namespace
}  // namespace millrace::auth
