// Lists as RabbitMQ answers them: filtered by name, sorted, a page of them, some columns of them.
//
//   sort=COLUMN sort_reverse=true    COLUMN may lead into objects: message_stats.publish_details.rate
//   columns=COLUMN,COLUMN
//   page=N page_size=N               an object {items, page, page_count, …} instead of an array
//   name=TEXT use_regex=true         of a page: items whose name has TEXT in it, or matches it, whatever the
//   case
//
// Items are made one by one, and only those that are shown, or looked at to sort them: a long list costs the
// length of its text, and is written in steps between which others are served.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "management/call.hpp"

namespace millrace::broker {
class Pattern;
struct BindingSpec;
}  // namespace millrace::broker

namespace millrace::management {

class Api;

inline constexpr std::size_t kDefaultPageItems = 100;
inline constexpr std::size_t kMaxPageItems = 500;

// Owns, or shares, what it makes items of: definitions may change between two steps.
struct ListSource {
  std::size_t count = 0;
  std::function<boost::json::object(std::size_t)> make;
  // The member "name" without the rest; where it is not given, items are made to find it.
  std::function<std::string_view(std::size_t)> name;
  // The same for what is sorted by; nothing for a column that only the item tells.
  std::function<std::optional<std::uint64_t>(std::size_t, std::string_view column)> number;
};

class Listing {
 public:
  // Items made, or names searched, in one step.
  static constexpr std::size_t kItemsPerStep = 32;
  // A longer answer is refused: a page of it is to be asked for.
  static constexpr std::size_t kMaxAnswerBytes = 64u << 20;

  Listing(const Target& query, ListSource source);
  ~Listing();

  // False: the answer is complete.
  bool step();
  std::size_t bytes() const noexcept { return text_.size(); }
  Answer take_answer();

 private:
  enum class Stage : std::uint8_t { filtering, sorting, writing, done };

  bool refuse(Answer answer);
  std::string name_of(std::size_t place) const;
  bool filter_some();
  bool key_some();
  bool cut();
  bool write_some();

  ListSource source_;
  std::vector<std::string> columns_;
  std::string sort_;
  std::string wanted_;  // of names, in lower case
  std::unique_ptr<const broker::Pattern> pattern_;
  bool reverse_ = false;
  bool paged_ = false;
  std::size_t page_ = 1;
  std::size_t page_size_ = kDefaultPageItems;

  Stage stage_ = Stage::filtering;
  std::size_t next_ = 0;
  std::vector<std::uint32_t> places_;     // of the source, that are left
  std::vector<boost::json::value> keys_;  // to sort by, by place
  std::size_t filtered_ = 0;
  std::size_t pages_ = 1;
  std::string text_;
  Answer refusal_;
  bool refused_ = false;
};

// Answers the call, in steps.
void reply_list(Api& api, const CallRef& call, ListSource source);

void reply_bindings(Api& api, const CallRef& call, std::vector<broker::BindingSpec> bindings);

// For lists that are short by their nature.
Answer list_answer(const Call& call, std::vector<boost::json::object> items);
// One object, of which the query may choose columns.
Answer object_answer(const Call& call, const boost::json::object& object);

}  // namespace millrace::management
