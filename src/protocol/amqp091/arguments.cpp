#include "protocol/amqp091/arguments.hpp"

#include <utility>

namespace millrace::amqp091 {

broker::Value to_value(ValueView view) {
  broker::Value value;
  value.type = view.type();
  if (const auto integer = view.as_integer()) {
    value.data = *integer;
  } else if (const auto text = view.as_text()) {
    value.data = std::string(*text);
  } else if (const auto flag = view.as_bool()) {
    value.data = *flag;
  } else if (const auto real = view.as_double()) {
    value.data = *real;
  } else if (const auto seconds = view.as_timestamp()) {
    value.data = static_cast<std::int64_t>(*seconds);
  } else if (const auto table = view.as_table()) {
    value.data = to_arguments(*table);
  } else if (const auto array = view.as_array()) {
    std::vector<broker::Value> values;
    for (const ValueView& element : *array) values.push_back(to_value(element));
    value.data = std::move(values);
  } else if (!view.encoded().empty()) {
    value.data = std::string(as_text(view.encoded()));  // decimals: scale and digits as they came
  }
  return value;
}

broker::Arguments to_arguments(TableView table) {
  std::vector<broker::Argument> entries;
  for (const TableEntry& entry : table) entries.push_back({std::string(entry.key), to_value(entry.value)});
  return broker::Arguments(std::move(entries));
}

}  // namespace millrace::amqp091
