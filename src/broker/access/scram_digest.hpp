// OpenSSL's digest for a SCRAM mechanism.
#pragma once

#include <openssl/evp.h>

#include "broker/access/password.hpp"

namespace millrace::broker {

inline const EVP_MD* digest_of(ScramHash hash) noexcept {
  return hash == ScramHash::sha256 ? EVP_sha256() : EVP_sha512();
}

}  // namespace millrace::broker
