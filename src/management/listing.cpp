#include "management/listing.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cctype>
#include <numeric>
#include <utility>

#include "base/number.hpp"
#include "broker/access/pattern.hpp"
#include "management/api.hpp"

namespace millrace::management {
namespace {

namespace json = boost::json;

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(at);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

const json::value* find_column(const json::object& item, std::string_view column) {
  const json::object* in = &item;
  for (;;) {
    const std::size_t dot = column.find('.');
    const json::value* found = in->if_contains(column.substr(0, dot));
    if (found == nullptr || dot == std::string_view::npos) return found;
    in = found->if_object();
    if (in == nullptr) return nullptr;
    column.remove_prefix(dot + 1);
  }
}

void put_column(json::object& into, std::string_view column, const json::value& value) {
  const std::size_t dot = column.find('.');
  if (dot == std::string_view::npos) {
    into[column] = value;
    return;
  }
  json::value& inner = into[column.substr(0, dot)];
  if (!inner.is_object()) inner = json::object();
  put_column(inner.get_object(), column.substr(dot + 1), value);
}

json::object choose(const json::object& item, const std::vector<std::string>& columns) {
  json::object chosen;
  for (const std::string& column : columns) {
    if (const json::value* value = find_column(item, column)) put_column(chosen, column, *value);
  }
  return chosen;
}

// Erlang's order between types: numbers before other atoms before text; what is not there comes first.
int rank(const json::value* value) noexcept {
  if (value == nullptr || value->is_null()) return 0;
  if (value->is_number()) return 1;
  if (value->is_bool()) return 2;
  return value->is_string() ? 3 : 4;
}

bool less(const json::value* a, const json::value* b) {
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  switch (rank(a)) {
    case 1:
      return a->to_number<double>() < b->to_number<double>();
    case 2:
      return a->get_bool() < b->get_bool();
    case 3:
      return a->get_string() < b->get_string();
    default:
      return false;
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Written so that 0 is refused as well.
result<std::size_t> number(const Target& query, std::string_view name, std::size_t otherwise,
                           std::size_t highest) {
  const std::string* text = query.find(name);
  if (text == nullptr) return otherwise;
  const auto value = whole_number<std::size_t>(*text);
  if (!value || *value == 0 || *value > highest) {
    return fail(Errc::invalid_argument,
                std::string(name) + " must be a number from 1 to " + std::to_string(highest));
  }
  return *value;
}

std::string text_of(const Target& query, std::string_view name) {
  const std::string* text = query.find(name);
  return text == nullptr ? std::string() : *text;
}

}  // namespace

Listing::Listing(const Target& query, ListSource source) : source_(std::move(source)) {
  columns_ = split(text_of(query, "columns"), ',');
  sort_ = text_of(query, "sort");
  reverse_ = query.is_true("sort_reverse");
  paged_ = query.find("page") != nullptr || query.is_true("pagination");
  places_.resize(source_.count);
  std::iota(places_.begin(), places_.end(), 0u);
  if (!paged_) return;
  const auto page = number(query, "page", 1, SIZE_MAX / kMaxPageItems);
  const auto page_size = number(query, "page_size", kDefaultPageItems, kMaxPageItems);
  if (page.has_error()) {
    refuse(refusal(page.error()));
    return;
  }
  if (page_size.has_error()) {
    refuse(refusal(page_size.error()));
    return;
  }
  page_ = *page;
  page_size_ = *page_size;
  wanted_ = lower(text_of(query, "name"));
  if (wanted_.empty() || !query.is_true("use_regex")) return;
  pattern_ = std::make_unique<broker::Pattern>("(?i)" + text_of(query, "name"));
  if (!pattern_->valid()) {
    refuse(refusal(400, "bad_request", "name is not a valid regular expression"));
  }
}

Listing::~Listing() = default;

bool Listing::refuse(Answer answer) {
  refused_ = true;
  refusal_ = std::move(answer);
  stage_ = Stage::done;
  return false;
}

std::string Listing::name_of(std::size_t place) const {
  if (source_.name) return std::string(source_.name(place));
  const json::object item = source_.make(place);
  const json::value* name = item.if_contains("name");
  return name != nullptr && name->is_string() ? std::string(name->get_string()) : std::string();
}

bool Listing::step() {
  switch (stage_) {
    case Stage::filtering:
      return filter_some();
    case Stage::sorting:
      return key_some();
    case Stage::writing:
      return write_some();
    case Stage::done:
      return false;
  }
  return false;
}

bool Listing::filter_some() {
  if (!wanted_.empty()) {
    const std::size_t end = std::min(places_.size(), next_ + kItemsPerStep);
    for (; next_ < end; ++next_) {
      const std::string name = name_of(places_[next_]);
      const bool fits = pattern_ ? pattern_->search(name) : lower(name).find(wanted_) != std::string::npos;
      if (fits) places_[filtered_++] = places_[next_];
    }
    if (next_ < places_.size()) return true;
    places_.resize(filtered_);
  }
  filtered_ = places_.size();
  next_ = 0;
  stage_ = Stage::sorting;
  return true;
}

bool Listing::key_some() {
  if (sort_.empty()) return cut();
  if (keys_.empty()) keys_.resize(source_.count);
  const std::size_t end = std::min(places_.size(), next_ + kItemsPerStep);
  for (; next_ < end; ++next_) {
    const std::size_t place = places_[next_];
    if (sort_ == "name" && source_.name) {
      keys_[place] = json::string(source_.name(place));
      continue;
    }
    if (const auto number = source_.number ? source_.number(place, sort_) : std::nullopt) {
      keys_[place] = *number;
      continue;
    }
    const json::object item = source_.make(place);
    if (const json::value* key = find_column(item, sort_)) keys_[place] = *key;
  }
  if (next_ < places_.size()) return true;
  std::stable_sort(places_.begin(), places_.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return less(&keys_[a], &keys_[b]); });
  keys_ = {};
  return cut();
}

bool Listing::cut() {
  if (reverse_) std::reverse(places_.begin(), places_.end());
  next_ = 0;
  stage_ = Stage::writing;
  if (!paged_) {
    text_ = "[";
    return true;
  }
  pages_ = std::max<std::size_t>(1, (filtered_ + page_size_ - 1) / page_size_);
  if (page_ > pages_) {
    return refuse(refusal(400, "page_out_of_range",
                          "Page out of range, page: " + std::to_string(page_) + " page count: " +
                              std::to_string(pages_) + ", page size: " + std::to_string(page_size_)));
  }
  const std::size_t first = (page_ - 1) * page_size_;
  const std::size_t last = std::min(filtered_, first + page_size_);
  places_.resize(last);
  places_.erase(places_.begin(), places_.begin() + static_cast<std::ptrdiff_t>(first));
  text_ = "{\"filtered_count\":" + std::to_string(filtered_) +
          ",\"item_count\":" + std::to_string(places_.size()) + ",\"items\":[";
  return true;
}

bool Listing::write_some() {
  const std::size_t end = std::min(places_.size(), next_ + kItemsPerStep);
  for (; next_ < end; ++next_) {
    const json::object item = source_.make(places_[next_]);
    if (next_ != 0) text_ += ',';
    text_ += json::serialize(columns_.empty() ? item : choose(item, columns_));
  }
  if (text_.size() > kMaxAnswerBytes) {
    text_ = {};
    return refuse(refusal(503, "service_unavailable", "the answer is too large; ask for a page of it"));
  }
  if (next_ < places_.size()) return true;
  text_ += ']';
  if (paged_) {
    text_ += ",\"page\":" + std::to_string(page_) + ",\"page_count\":" + std::to_string(pages_) +
             ",\"page_size\":" + std::to_string(page_size_) +
             ",\"total_count\":" + std::to_string(source_.count) + "}";
  }
  stage_ = Stage::done;
  return false;
}

Answer Listing::take_answer() {
  if (refused_) return std::move(refusal_);
  Answer answer;
  answer.body = std::move(text_);
  return answer;
}

namespace {

constexpr std::size_t kStepsPerTurn = 4;

// A list on its way.
struct Run {
  Run(Api& its_api, const CallRef& its_call, ListSource source)
      : api(its_api), call(its_call), listing(its_call->target, std::move(source)) {}

  Api& api;
  CallRef call;
  Listing listing;
  std::size_t reserved = 0;
};

void go_on(const std::shared_ptr<Run>& run) {
  bool more = true;
  for (std::size_t i = 0; more && i < kStepsPerTurn; ++i) more = run->listing.step();
  const std::size_t before = std::exchange(run->reserved, run->listing.bytes());
  if (!run->api.hold_list_bytes(before, run->reserved)) {
    run->api.hold_list_bytes(run->reserved, 0);
    return reply(run->call, refusal(503, "service_unavailable",
                                    "too many long lists at once; try again, or ask for a page"));
  }
  if (more) return run->api.home().post([run] { go_on(run); });
  run->api.hold_list_bytes(run->reserved, 0);
  reply(run->call, run->listing.take_answer());
}

}  // namespace

void reply_list(Api& api, const CallRef& call, ListSource source) {
  go_on(std::make_shared<Run>(api, call, std::move(source)));
}

Answer list_answer(const Call& call, std::vector<json::object> items) {
  ListSource source{items.size(), [&items](std::size_t i) { return items[i]; }, {}};
  Listing listing(call.target, std::move(source));
  while (listing.step()) {
  }
  return listing.take_answer();
}

Answer object_answer(const Call& call, const json::object& object) {
  const auto names = split(text_of(call.target, "columns"), ',');
  return json_answer(names.empty() ? object : choose(object, names));
}

}  // namespace millrace::management
