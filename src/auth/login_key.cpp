#include "auth/login_key.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace millrace::auth {

std::string login_mac(const LoginKey& key, std::string_view user, std::string_view password) {
  const std::uint64_t size = user.size();
  std::string text(reinterpret_cast<const char*>(&size), sizeof size);
  text.append(user).append(password);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &length);
  volatile char* at = text.data();
  for (std::size_t i = 0; i < text.size(); ++i) at[i] = '\0';
  return {reinterpret_cast<const char*>(mac.data()), length};
}

}  // namespace millrace::auth
