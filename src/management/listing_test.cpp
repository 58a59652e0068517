#include "management/listing.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace millrace::management {
namespace {

namespace json = boost::json;

json::object item(std::string_view name, int depth) {
  json::object stats;
  stats["rate"] = depth * 1.5;
  json::object made;
  made["name"] = name;
  made["depth"] = depth;
  made["stats"] = std::move(stats);
  return made;
}

Answer ask(std::string_view query) {
  Call call;
  call.target = *parse_target("/x?" + std::string(query));
  return list_answer(call, {item("banana", 1), item("Apple", 3), item("cherry", 2), item("apple.pie", 2)});
}

std::vector<std::string> names(std::string_view query) {
  const Answer answer = ask(query);
  EXPECT_EQ(answer.status, 200u) << answer.body;
  json::value value = json::parse(answer.body);
  if (value.is_object()) value = value.at("items");
  std::vector<std::string> found;
  for (const json::value& one : value.get_array()) found.emplace_back(one.at("name").get_string());
  return found;
}

using Names = std::vector<std::string>;

TEST(Listing, is_an_array_in_the_order_given) {
  EXPECT_EQ(names(""), (Names{"banana", "Apple", "cherry", "apple.pie"}));
}

TEST(Listing, sorts_by_a_column_and_keeps_equals_in_order) {
  EXPECT_EQ(names("sort=depth"), (Names{"banana", "cherry", "apple.pie", "Apple"}));
  EXPECT_EQ(names("sort=stats.rate&sort_reverse=true"), (Names{"Apple", "apple.pie", "cherry", "banana"}));
  EXPECT_EQ(names("sort=nothing.such").size(), 4u);
}

TEST(Listing, makes_only_what_it_shows_where_a_number_is_had_without) {
  std::size_t made = 0;
  ListSource source;
  source.count = 100;
  source.make = [&made](std::size_t i) {
    ++made;
    return item("queue", static_cast<int>(i));
  };
  source.number = [](std::size_t i, std::string_view column) -> std::optional<std::uint64_t> {
    if (column == "depth") return i;
    return std::nullopt;
  };
  const auto first_of = [&](std::string_view query) {
    Listing listing(*parse_target("/x?page=1&page_size=3&sort_reverse=true&sort=" + std::string(query)),
                    source);
    while (listing.step()) {
    }
    return json::parse(listing.take_answer().body).at("items").at(0).at("depth").to_number<int>();
  };
  EXPECT_EQ(first_of("depth"), 99);
  EXPECT_EQ(made, 3u);
  EXPECT_EQ(first_of("stats.rate"), 99);
  EXPECT_EQ(made, 3u + 100 + 3);
}

TEST(Listing, shows_one_page_and_counts_all) {
  const json::value page = json::parse(ask("page=2&page_size=3").body);
  EXPECT_EQ(page.at("items").get_array().size(), 1u);
  EXPECT_EQ(page.at("item_count").to_number<int>(), 1);
  EXPECT_EQ(page.at("filtered_count").to_number<int>(), 4);
  EXPECT_EQ(page.at("total_count").to_number<int>(), 4);
  EXPECT_EQ(page.at("page_count").to_number<int>(), 2);
}

TEST(Listing, filters_a_page_by_name) {
  EXPECT_EQ(names("page=1&name=APPLE"), (Names{"Apple", "apple.pie"}));
  EXPECT_EQ(names("page=1&name=^APPLE$&use_regex=true"), (Names{"Apple"}));
  EXPECT_EQ(names("page=1&name=e.p"), (Names{"apple.pie"}));
  EXPECT_EQ(names("page=1&name=none"), Names{});
}

TEST(Listing, refuses_pages_that_there_are_not) {
  for (const char* bad : {"page=3&page_size=3", "page=0", "page=-1", "page=18446744073709551615", "page=1x",
                          "page=1&page_size=501", "page=1&page_size=0", "page=1&name=(&use_regex=true"}) {
    EXPECT_EQ(ask(bad).status, 400u) << bad;
  }
}

TEST(Listing, cuts_to_columns_that_may_lie_within_others) {
  const Answer answer = ask("columns=stats.rate,name,none.such");
  EXPECT_EQ(json::parse(answer.body).at(0), json::parse(R"({"stats":{"rate":1.5},"name":"banana"})"));
}

}  // namespace
}  // namespace millrace::management
