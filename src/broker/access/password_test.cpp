#include "broker/access/password.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

constexpr unsigned kFew = 10;  // iterations: these tests are not about their number

std::array<std::uint8_t, 16> salt_of(std::uint8_t byte) {
  std::array<std::uint8_t, 16> salt;
  salt.fill(byte);
  return salt;
}

std::array<std::uint8_t, 32> key_of(std::uint8_t byte) {
  std::array<std::uint8_t, 32> key;
  key.fill(byte);
  return key;
}

TEST(Password, verifies_what_it_hashed_and_nothing_else) {
  const std::string stored = hash_password("s3cret", salt_of(7), kFew);
  EXPECT_TRUE(verify_password(stored, "s3cret"));
  EXPECT_FALSE(verify_password(stored, "s3cre"));
  EXPECT_FALSE(verify_password(stored, "s3crett"));
  EXPECT_FALSE(verify_password(stored, "S3cret"));
  EXPECT_FALSE(verify_password(stored, ""));
}

TEST(Password, is_the_derivation_that_others_compute) {
  // From Python: hashlib.pbkdf2_hmac(hash, b"guest", bytes(range(16)), 1000), and by hmac and hashlib the
  // keys.
  std::array<std::uint8_t, 16> salt;
  for (std::size_t i = 0; i < salt.size(); ++i) salt[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(hash_password("guest", salt, 1000),
            "{scram}1000$AAECAwQFBgcICQoLDA0ODw==$eLLJ7+fR6k2q5ERfHLMvNsA7Gl8B0CfkpCgh+gztoUY=$"
            "QNpLCSWs85EJWNXmzN5vaeTd9bAPJlpAix/dZMXok7Y=$"
            "uIcR0RJKnVh1fen0B7WaaNaHoyZIWfYkMmsu2XAC3oAjTq/7Evyd7DZKjqyAWztvHp15l1DV9fYmOdR0qrGTjQ==$"
            "ZTj3RBjEWrJ7K+ZvrjYp0xSzBIdAWqtaqfzwFW5R+R6rzpWH4zbwCWQXT10lQAs6X91hAKFOavK4ah0AvmkcBA==");
  // As earlier versions have stored it.
  const std::string earlier =
      "{pbkdf2-sha256}1000$AAECAwQFBgcICQoLDA0ODw==$f+p1dt5Pv/WKAHCAqWe7vBAPWYBRYD8+nuK+Vm9T83U=";
  EXPECT_TRUE(verify_password(earlier, "guest"));
  EXPECT_FALSE(verify_password(earlier, "gues"));
}

TEST(Password, salts_make_equal_passwords_differ) {
  EXPECT_NE(hash_password("same", salt_of(1), kFew), hash_password("same", salt_of(2), kFew));
}

TEST(Password, an_empty_one_may_be_set_but_an_empty_hash_lets_nobody_in) {
  EXPECT_TRUE(verify_password(hash_password("", salt_of(1), kFew), ""));
  EXPECT_FALSE(verify_password("", ""));
  EXPECT_FALSE(verify_password("", "x"));
}

TEST(Password, refuses_stored_forms_that_it_does_not_understand) {
  const std::string good = hash_password("x", salt_of(1), kFew);
  for (const std::string& stored :
       {std::string("plain"), std::string("{sha1}abcd"), std::string("{pbkdf2-sha256}"), good + "=",
        good.substr(0, good.size() - 4), std::string("{pbkdf2-sha256}0$AAAA$AAAA"),
        std::string("{pbkdf2-sha256}99999999999$AAAA$AAAA"), std::string("{pbkdf2-sha256}-1$AAAA$AAAA"),
        std::string("{pbkdf2-sha256}1 $AAAA$AAAA"), std::string("{pbkdf2-sha256}20000000$AAAA$AAAA"),
        std::string("{pbkdf2-sha256}1$$"), std::string("{rabbitmq-sha256}"),
        std::string("{rabbitmq-sha256}AAAA"), std::string("{rabbitmq-sha256}!!!!")}) {
    EXPECT_FALSE(verify_password(stored, "x")) << stored;
    EXPECT_FALSE(verify_password(stored, "")) << stored;
  }
}

TEST(Password, takes_hashes_from_definitions_files) {
  struct Case {
    std::string_view algorithm, base64;
  };
  // From Python: base64(salt + digest(salt + b"guest")) with the salt 90 8D C6 0A.
  for (const Case& one :
       {Case{"rabbit_password_hashing_sha256", "kI3GCrswBLNZQzHJJ95QLoyfAVooYhnvf7jbqiW9BjOYUloe"},
        Case{"rabbit_password_hashing_sha512",
             "kI3GCrf65LdSkFyP8BVa8fB/67dDZ7ljrRF4WEjLDwWuHFxFQjgE88vc4EqLc8+dW4j5onKsGl4Ty32Icokl1iJrRxk="},
        Case{"rabbit_password_hashing_md5", "kI3GCsLphS59YDqYemSoxQGij64="}}) {
    const result<std::string> stored = import_rabbitmq_hash(one.algorithm, one.base64);
    ASSERT_TRUE(stored.has_value()) << one.algorithm;
    EXPECT_TRUE(verify_password(*stored, "guest")) << one.algorithm;
    EXPECT_FALSE(verify_password(*stored, "Guest")) << one.algorithm;
  }
}

TEST(Password, imports_users_without_password_as_such) {
  const result<std::string> stored = import_rabbitmq_hash("rabbit_password_hashing_sha256", "");
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(*stored, "");
}

TEST(Password, refuses_hashes_of_the_wrong_length_or_algorithm) {
  for (const auto& [algorithm, base64] :
       {std::pair("rabbit_password_hashing_sha256", "kI3GCsLphS59YDqYemSoxQGij64="),
        std::pair("rabbit_password_hashing_md5", "abc"),
        std::pair("rabbit_password_hashing_bcrypt", "kI3GCrswBLNZQzHJJ95QLoyfAVooYhnvf7jbqiW9BjOYUloe"),
        std::pair("", "kI3GCrswBLNZQzHJJ95QLoyfAVooYhnvf7jbqiW9BjOYUloe")}) {
    const result<std::string> stored = import_rabbitmq_hash(algorithm, base64);
    ASSERT_FALSE(stored.has_value()) << algorithm;
    EXPECT_EQ(stored.error().code, Errc::invalid_argument);
  }
}

TEST(VerifiedCredentials, know_what_they_were_told_and_nothing_else) {
  VerifiedCredentials verified(key_of(3));
  EXPECT_FALSE(verified.known("ann", "stored", "pass"));
  verified.remember("ann", "stored", "pass");
  EXPECT_TRUE(verified.known("ann", "stored", "pass"));
  EXPECT_FALSE(verified.known("ann", "stored", "pasz"));
  EXPECT_FALSE(verified.known("ann", "storedp", "ass"));  // the same bytes, cut elsewhere
  EXPECT_FALSE(verified.known("an", "nstored", "pass"));
  EXPECT_FALSE(verified.known("bob", "stored", "pass"));
}

TEST(VerifiedCredentials, forget_when_the_stored_password_changes) {
  VerifiedCredentials verified(key_of(3));
  verified.remember("ann", "old", "pass");
  EXPECT_FALSE(verified.known("ann", "new", "pass"));
  verified.remember("ann", "new", "pass");
  EXPECT_TRUE(verified.known("ann", "new", "pass"));
  EXPECT_FALSE(verified.known("ann", "old", "pass"));
}

TEST(VerifiedCredentials, are_bounded) {
  VerifiedCredentials verified(key_of(3));
  constexpr std::size_t kUsers = VerifiedCredentials::kMaxEntries + 100;
  for (std::size_t i = 0; i < kUsers; ++i) verified.remember("user" + std::to_string(i), "stored", "pass");
  std::size_t known = 0;
  for (std::size_t i = 0; i < kUsers; ++i)
    known += verified.known("user" + std::to_string(i), "stored", "pass");
  EXPECT_EQ(known, VerifiedCredentials::kMaxEntries);
}

}  // namespace
}  // namespace millrace::broker
