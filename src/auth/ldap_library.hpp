// libldap, loaded when a directory is configured and not before: it brings a second TLS library and others,
// which a broker without a directory need not carry. Thread: any, once it is loaded.
#pragma once

#include <ldap.h>

#include <memory>

#include "base/result.hpp"

namespace millrace::auth {

struct LdapLibrary {
  // Errors: io_error, which says what to install.
  static result<std::shared_ptr<const LdapLibrary>> load();
  ~LdapLibrary();

  decltype(&::ldap_initialize) initialize = nullptr;
  decltype(&::ldap_set_option) set_option = nullptr;
  decltype(&::ldap_start_tls_s) start_tls = nullptr;
  decltype(&::ldap_sasl_bind_s) bind = nullptr;
  decltype(&::ldap_compare_ext_s) compare = nullptr;
  decltype(&::ldap_search_ext_s) search = nullptr;
  decltype(&::ldap_count_entries) count_entries = nullptr;
  decltype(&::ldap_first_entry) first_entry = nullptr;
  decltype(&::ldap_get_dn) dn_of = nullptr;
  decltype(&::ldap_memfree) free_text = nullptr;
  decltype(&::ldap_msgfree) free_message = nullptr;
  decltype(&::ldap_unbind_ext_s) unbind = nullptr;
  decltype(&::ldap_err2string) text_of = nullptr;

 private:
  void* handle_ = nullptr;
};

}  // namespace millrace::auth
