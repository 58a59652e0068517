#include "cli/listing.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/json_or_text.hpp"
#include "cli/stop.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"

namespace millrace::cli {

namespace json = boost::json;

constexpr Option kListOptions[] = {
    {"-p,--vhost", "VHOST", "Of this virtual host alone"},
    {"--columns", "A,B", "These fields of the API instead, as message_stats.publish"},
    {"--sort", "FIELD", "By this field of the API; with a '-' before it, from the largest"},
};

const json::value* find_in(const json::value& item, std::string_view path) {
  const json::value* at = &item;
  while (true) {
    if (!at->is_object()) return nullptr;
    // A key may hold a dot itself: the whole is tried first.
    if (const json::value* whole = at->get_object().if_contains(path)) return whole;
    const std::size_t dot = path.find('.');
    if (dot == std::string_view::npos) return nullptr;
    at = at->get_object().if_contains(path.substr(0, dot));
    if (at == nullptr) return nullptr;
    path.remove_prefix(dot + 1);
  }
}

std::string text_in(const json::value& item, std::string_view path) {
  const json::value* found = find_in(item, path);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

double number_in(const json::value& item, std::string_view path) {
  const json::value* found = find_in(item, path);
  return found != nullptr && found->is_number() ? found->to_number<double>() : 0;
}

std::string show_value(const json::value& value, Look look) {
  if (value.is_null()) return "";
  if (look == Look::rate && value.is_number()) return rate_text(value.to_number<double>());
  if (look == Look::bytes && value.is_number()) return bytes_text(value.to_number<double>());
  if (value.is_bool()) return value.get_bool() ? "yes" : look == Look::flag ? "" : "no";
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_array()) {
    std::string list;
    for (const json::value& one : value.get_array())
      list += (list.empty() ? "" : ",") + show_value(one, look);
    return list;
  }
  if (value.is_object() && value.get_object().empty()) return "";
  return json::serialize(value);
}

std::span<const Option> list_options() {
  return kListOptions;
}

std::string list_path(const Session& session, std::string_view kind) {
  const auto vhost = session.given.find("vhost");
  return vhost ? api_path({kind, *vhost}) : api_path({kind});
}

namespace {

void sort_items(json::array& items, std::string key) {
  const bool descending = key.starts_with('-');
  if (descending) key.erase(0, 1);
  const auto before = [&](const json::value& a, const json::value& b) {
    const json::value* x = find_in(a, key);
    const json::value* y = find_in(b, key);
    if (x == nullptr || y == nullptr) return x == nullptr && y != nullptr;
    if (x->is_number() && y->is_number()) return x->to_number<double>() < y->to_number<double>();
    return show_value(*x, Look::text) < show_value(*y, Look::text);
  };
  std::stable_sort(items.begin(), items.end(), [&](const json::value& a, const json::value& b) {
    return descending ? before(b, a) : before(a, b);
  });
}

std::vector<Field> wanted_fields(const json::array& items, std::span<const Field> fields,
                                 const std::vector<std::string>& columns) {
  std::vector<Field> wanted;
  if (!columns.empty()) {
    for (const std::string& column : columns) {
      const bool numbers = std::any_of(items.begin(), items.end(), [&](const json::value& item) {
        const json::value* value = find_in(item, column);
        return value != nullptr && value->is_number();
      });
      wanted.push_back({column, column, numbers ? Look::number : Look::text});
    }
    return wanted;
  }
  for (const Field& field : fields) {
    const bool one_vhost =
        field.path == "vhost" && std::all_of(items.begin(), items.end(), [&](const auto& item) {
          return text_in(item, "vhost") == text_in(items.front(), "vhost");
        });
    if (!one_vhost) wanted.push_back(field);
  }
  return wanted;
}

}  // namespace

int print_items(Session& session, json::array items, std::span<const Field> fields,
                std::string_view nothing_there) {
  if (const auto key = session.given.find("sort")) sort_items(items, *key);
  const std::vector<std::string> columns = split(session.given.text("columns"), ',');
  if (session.wants_json()) {
    if (!columns.empty()) {
      for (json::value& item : items) {
        json::object kept;
        for (const std::string& column : columns) {
          const json::value* value = find_in(item, column);
          kept[column] = value == nullptr ? json::value(nullptr) : *value;
        }
        item = std::move(kept);
      }
    }
    print(json::serialize(items) + "\n");
    return kOk;
  }
  if (items.empty()) {
    if (errors_are_terminal() || output_is_terminal())
      std::fputs((std::string(nothing_there) + "\n").c_str(), stderr);
    return kOk;
  }
  const std::vector<Field> wanted = wanted_fields(items, fields, columns);
  std::vector<Table::Column> titles;
  for (const Field& field : wanted) {
    titles.push_back({std::string(field.title),
                      field.look == Look::number || field.look == Look::rate || field.look == Look::bytes});
  }
  Table table(std::move(titles));
  for (const json::value& item : items) {
    std::vector<std::string> cells;
    for (const Field& field : wanted) {
      const json::value* value = find_in(item, field.path);
      cells.push_back(value == nullptr ? "" : show_value(*value, field.look));
    }
    table.add(std::move(cells));
  }
  print(table.text(output_width(), output_has_colour()));
  return kOk;
}

int print_list(Session& session, const std::string& path, std::span<const Field> fields,
               std::string_view nothing_there) {
  json::value got = session.api().get(path);
  if (!got.is_array())
    throw Stop(kUnreachable, "the answer of " + session.api().address() + path + " is no list");
  return print_items(session, std::move(got.get_array()), fields, nothing_there);
}

int print_item(Session& session, const json::value& item, std::span<const Field> fields) {
  if (session.wants_json()) {
    print(json::serialize(item) + "\n");
    return kOk;
  }
  std::size_t width = 0;
  for (const Field& field : fields) width = std::max(width, field.title.size());
  std::string text;
  for (const Field& field : fields) {
    const json::value* value = find_in(item, field.path);
    if (value == nullptr) continue;
    const std::string shown = printable(show_value(*value, field.look));
    text += std::string(field.title) + std::string(width - field.title.size() + 2, ' ') + shown + "\n";
  }
  print(text);
  return kOk;
}

json::object read_arguments(const std::vector<std::string>& pairs, std::string_view option) {
  json::object arguments;
  for (const std::string& pair : pairs) {
    const auto [name, value] = split_pair(pair, option);
    arguments[name] = json_or_text(value);
  }
  return arguments;
}

}  // namespace millrace::cli
