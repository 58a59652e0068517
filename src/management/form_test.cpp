#include "management/form.hpp"

#include <gtest/gtest.h>

#include <string>

namespace millrace::management {
namespace {

const std::string kType = "multipart/form-data; boundary=xYz";

std::string part(const std::string& name, const std::string& content) {
  return "--xYz\r\nContent-Disposition: form-data; name=\"" + name +
         "\"; filename=\"a;b.json\"\r\nContent-Type: text/plain\r\n\r\n" + content + "\r\n";
}

TEST(Form, gives_a_field_as_it_was_sent) {
  const std::string body = part("other", "1") + part("file", "{\r\n\"a\": 1\r\n}") + "--xYz--\r\n";
  EXPECT_EQ(form_field(kType, body, "file"), "{\r\n\"a\": 1\r\n}");
  EXPECT_EQ(form_field("Multipart/Form-Data; charset=x; boundary=\"xYz\"", body, "other"), "1");
  EXPECT_EQ(form_field(kType, part("file", "") + "--xYz--", "file"), "");
}

TEST(Form, has_nothing_where_there_is_no_such_field_or_no_form) {
  const std::string body = part("other", "1") + "--xYz--\r\n";
  EXPECT_FALSE(form_field(kType, body, "file"));
  EXPECT_FALSE(form_field("application/json", body, "other"));
  EXPECT_FALSE(form_field("multipart/form-data", body, "other"));
  EXPECT_FALSE(form_field("multipart/form-data; boundary=", body, "other"));
  EXPECT_FALSE(form_field("multipart/form-data; boundary=abc", body, "other"));
}

TEST(Form, is_read_no_further_than_it_goes_wherever_it_is_cut) {
  const std::string body = part("other", "1") + part("file", "two") + "--xYz--\r\n";
  const std::size_t whole = body.find("--xYz--");
  for (std::size_t size = 0; size < body.size(); ++size) {
    const auto found = form_field(kType, std::string_view(body).substr(0, size), "file");
    EXPECT_EQ(found.has_value(), size >= whole + 5) << size;
  }
}

}  // namespace
}  // namespace millrace::management
