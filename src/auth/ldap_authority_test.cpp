#include "auth/ldap_authority.hpp"

#include <gtest/gtest.h>

namespace millrace::auth {
namespace {

TEST(LdapNames, are_escaped_so_that_they_stay_one_value) {
  EXPECT_EQ(escape_dn("ann-1_x.y@z"), "ann-1_x.y@z");
  EXPECT_EQ(escape_dn("a,ou=b"), "a\\2cou\\3db");
  EXPECT_EQ(escape_dn(std::string("#\0 \\\"", 5)), "\\23\\00\\20\\5c\\22");
  EXPECT_EQ(escape_dn("é"), "\\c3\\a9");
}

TEST(LdapNames, are_filled_in_once) {
  EXPECT_EQ(fill_in_dn("cn=${username},dc=x", "ann", {}), "cn=ann,dc=x");
  EXPECT_EQ(fill_in_dn("cn=${vhost},uid=${username}", "ann", "/"), "cn=\\2f,uid=ann");
  EXPECT_EQ(fill_in_dn("cn=${username}", "${vhost}", "v"), "cn=\\24\\7bvhost\\7d");
}

TEST(LdapFilters, keep_a_name_one_value) {
  EXPECT_EQ(escape_filter("ann-1_x.y@z"), "ann-1_x.y@z");
  EXPECT_EQ(escape_filter(std::string("*()\\\0", 5)), "\\2a\\28\\29\\5c\\00");
  EXPECT_EQ(escape_filter("é"), "\\c3\\a9");
  EXPECT_EQ(fill_in_filter("(|(uid=${username})(mail=${username}))", "a)(cn=*"),
            "(|(uid=a\\29\\28cn\\3d\\2a)(mail=a\\29\\28cn\\3d\\2a))");
  EXPECT_EQ(fill_in_filter("(uid=${username})", "${username}"), "(uid=\\24\\7busername\\7d)");
}

}  // namespace
}  // namespace millrace::auth
