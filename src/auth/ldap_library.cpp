#include "auth/ldap_library.hpp"

#include <dlfcn.h>

namespace millrace::auth {

result<std::shared_ptr<const LdapLibrary>> LdapLibrary::load() {
  auto library = std::make_shared<LdapLibrary>();
  // Debian 12's name, then that of later releases.
  for (const char* name : {"libldap-2.5.so.0", "libldap.so.2"}) {
    if (library->handle_ == nullptr) library->handle_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library->handle_ == nullptr) {
    return fail(Errc::io_error, "ldap wants libldap, which is not installed: apt-get install libldap-2.5-0");
  }
  bool has_all = true;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library->handle_, name));
    has_all = has_all && function != nullptr;
  };
  find(library->initialize, "ldap_initialize");
  find(library->set_option, "ldap_set_option");
  find(library->start_tls, "ldap_start_tls_s");
  find(library->bind, "ldap_sasl_bind_s");
  find(library->compare, "ldap_compare_ext_s");
  find(library->search, "ldap_search_ext_s");
  find(library->count_entries, "ldap_count_entries");
  find(library->first_entry, "ldap_first_entry");
  find(library->dn_of, "ldap_get_dn");
  find(library->free_text, "ldap_memfree");
  find(library->free_message, "ldap_msgfree");
  find(library->unbind, "ldap_unbind_ext_s");
  find(library->text_of, "ldap_err2string");
  if (!has_all) return fail(Errc::io_error, "libldap lacks what is needed of it");
  return std::shared_ptr<const LdapLibrary>(std::move(library));
}

// Left loaded: what it started may run on.
LdapLibrary::~LdapLibrary() = default;

}  // namespace millrace::auth
