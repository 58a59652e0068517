#include "management/page.hpp"

#include <gtest/gtest.h>

namespace millrace::management {
namespace {

constexpr PageFile kFiles[] = {
    {"", "text/html; charset=utf-8", "\"aa\"", "<!doctype html>"},
    {"page/main.js", "text/javascript; charset=utf-8", "\"bb\"", "import './x.js';"},
};

std::optional<Answer> ask(std::string_view method, std::string_view target, std::string_view tag = {}) {
  return page_answer(method, *parse_target(target), tag, kFiles);
}

TEST(Page, answers_its_files_to_get_and_head) {
  const auto page = ask("GET", "/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200u);
  EXPECT_EQ(page->body, "<!doctype html>");
  EXPECT_EQ(ask("HEAD", "/page/main.js?x=1")->file, &kFiles[1]);
}

TEST(Page, leaves_all_other_paths_to_the_api) {
  for (const char* path : {"/api/overview", "/page", "/page/main.ts", "/page/../page/main.js", "/main.js"}) {
    EXPECT_FALSE(ask("GET", path)) << path;
  }
}

TEST(Page, is_not_sent_again_to_who_has_it) {
  for (const char* tag : {"\"bb\"", "W/\"bb\"", "\"aa\", \"bb\"", "\"x\" ,\t\"bb\" ", "*"}) {
    const auto answer = ask("GET", "/page/main.js", tag);
    EXPECT_EQ(answer->status, 304u) << tag;
    EXPECT_EQ(answer->body, "") << tag;
    EXPECT_EQ(answer->file, &kFiles[1]) << tag;
  }
  for (const char* tag : {"", "\"aa\"", "bb", ",", "\"bb"}) {
    EXPECT_EQ(ask("GET", "/page/main.js", tag)->status, 200u) << tag;
  }
}

TEST(Page, is_not_changed_by_anybody) {
  const auto answer = ask("POST", "/page/main.js");
  EXPECT_EQ(answer->status, 405u);
  EXPECT_EQ(answer->allow, "GET, HEAD");
}

TEST(Page, that_was_built_in_has_a_first_file_that_loads_its_scripts_by_relative_paths) {
  bool has_first = false;
  for (const PageFile& file : page_files()) {
    EXPECT_EQ(file.etag.size(), 34u) << file.path;
    EXPECT_FALSE(file.content.empty()) << file.path;
    if (!file.path.empty()) continue;
    has_first = true;
    EXPECT_NE(file.content.find("src=\"page/main.js\""), std::string_view::npos);
    EXPECT_EQ(file.content.find("<script>"), std::string_view::npos);
  }
  EXPECT_EQ(has_first, !page_files().empty());
}

}  // namespace
}  // namespace millrace::management
