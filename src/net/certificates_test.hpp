// Certificates made on the spot, for tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace millrace::net {

struct TestCertificate {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
};

// `by`: who signs; none: itself, as an authority. `names`: as OpenSSL's configuration has subjectAltName.
inline TestCertificate make_certificate(const std::string& common_name, const std::string& names = {},
                                        const TestCertificate* by = nullptr, long ends_in_s = 3600) {
  TestCertificate made;
  made.key.reset(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  made.certificate.reset(X509_new(), &X509_free);
  X509* x = made.certificate.get();
  X509_set_version(x, 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x), -7200);
  X509_gmtime_adj(X509_getm_notAfter(x), ends_in_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(by != nullptr ? by->certificate.get() : x));
  X509_set_pubkey(x, made.key.get());
  const auto extend = [&](int which, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, which, value.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, by == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!names.empty()) extend(NID_subject_alt_name, names);
  X509_sign(x, by != nullptr ? by->key.get() : made.key.get(), EVP_sha256());
  return made;
}

// A folder that is removed with it.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-tls-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const TestCertificate& what) const {
    const std::string path = path_ + "/" + name + ".pem";
    std::FILE* file = std::fopen(path.c_str(), "w");
    PEM_write_X509(file, what.certificate.get());
    std::fclose(file);
    return path;
  }
  std::string write_key(const std::string& name, const TestCertificate& what) const {
    const std::string path = path_ + "/" + name + ".key";
    std::FILE* file = std::fopen(path.c_str(), "w");
    PEM_write_PrivateKey(file, what.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }
  std::string write_text(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::FILE* file = std::fopen(path.c_str(), "w");
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
    return path;
  }

 private:
  std::string path_;
};

}  // namespace millrace::net
