// Frames as people write them, for the scenarios in tests/data/amqp091:
//
//   1 queue.declare queue=q durable=1 arguments={x-max-length:I=10}
//   1 header body-size=5 delivery-mode=2 headers={k:S=v}
//   1 body hello
//
// Methods and their fields are those of src/codec/amqp091/protocol.txt, which is read here, so that the texts
// do not lean on the code under test. Values with blanks stand in double quotes.
#pragma once

#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/buffer.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/properties.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::amqp091::testing {

struct Field {
  std::string name;
  std::string type;
};
struct Method {
  std::uint32_t id = 0;
  std::string name;
  std::vector<Field> fields;
};

inline const std::vector<Field>& property_fields() {
  static const std::vector<Field> fields = {{"content-type", "shortstr"}, {"content-encoding", "shortstr"},
                                            {"headers", "table"},         {"delivery-mode", "octet"},
                                            {"priority", "octet"},        {"correlation-id", "shortstr"},
                                            {"reply-to", "shortstr"},     {"expiration", "shortstr"},
                                            {"message-id", "shortstr"},   {"timestamp", "longlong"},
                                            {"type", "shortstr"},         {"user-id", "shortstr"},
                                            {"app-id", "shortstr"},       {"cluster-id", "shortstr"}};
  return fields;
}

class Dialogue {
 public:
  explicit Dialogue(const std::string& protocol_file) {
    std::ifstream in(protocol_file);
    MILLRACE_ASSERT(in.good(), "protocol.txt is not where the test looks for it");
    std::string line, class_name;
    std::uint32_t class_id = 0;
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string word;
      if (!(words >> word) || word[0] == '#') continue;
      if (word == "class") {
        words >> class_id >> class_name;
        continue;
      }
      Method method;
      method.id = (class_id << 16) | static_cast<std::uint32_t>(std::stoul(word));
      words >> word;
      method.name = class_name + "." + word;
      while (words >> word) {
        const std::size_t colon = word.find(':');
        if (colon != std::string::npos)
          method.fields.push_back({word.substr(0, colon), word.substr(colon + 1)});
      }
      methods_.push_back(std::move(method));
    }
  }

  // "1 queue.declare queue=q": the frame.
  std::string encode(const std::string& line) const {
    const std::vector<std::string> words = split(line);
    const auto channel = static_cast<std::uint16_t>(std::stoul(words.at(0)));
    const std::string& what = words.at(1);
    if (what == "body") return frame(FrameType::body, channel, words.size() > 2 ? words[2] : "");
    if (what == "filler") {  // "1 filler 1000 times 3"
      const std::string one = frame(FrameType::body, channel, std::string(std::stoul(words.at(2)), 'x'));
      std::string all;
      for (std::size_t n = words.size() > 4 ? std::stoul(words[4]) : 1; n > 0; --n) all += one;
      return all;
    }
    if (what == "heartbeat") return frame(FrameType::heartbeat, channel, "");
    const std::map<std::string, std::string> values = assignments(words);
    Buffer out;
    if (what == "header") {
      out.put_be(std::uint32_t{kBasicClass} << 16);
      out.put_be(std::uint64_t{std::stoull(values.at("body-size"))});
      std::uint16_t flags = 0, flag = 1 << 15;
      for (const Field& field : property_fields()) {
        if (values.contains(field.name)) flags |= flag;
        flag = static_cast<std::uint16_t>(flag >> 1);
      }
      out.put_be(flags);
      for (const Field& field : property_fields()) {
        if (values.contains(field.name)) put(out, field.type, values.at(field.name));
      }
      return frame(FrameType::header, channel, std::string(as_text(out.view())));
    }
    const Method* method = find(what);
    MILLRACE_ASSERT(method != nullptr, "the scenario names no such method");
    out.put_be(method->id);
    unsigned bit = 0;
    for (const Field& field : method->fields) {
      const auto value = values.find(field.name);
      const std::string text = value == values.end() ? "" : value->second;
      if (field.type != "bit") {
        bit = 0;
        put(out, field.type, text);
        continue;
      }
      if (bit == 0) *out.extend(1) = 0;
      if (text == "1") out.data()[out.size() - 1] |= static_cast<std::uint8_t>(1u << bit);
      ++bit;
    }
    return frame(FrameType::method, channel, std::string(as_text(out.view())));
  }

  // What a server sent, a line for each frame.
  std::vector<std::string> decode(std::string_view bytes) const {
    std::vector<std::string> lines;
    while (!bytes.empty()) {
      if (bytes.starts_with("AMQP")) {
        lines.push_back("protocol header");
        bytes.remove_prefix(kGreetingBytes);
        continue;
      }
      const FrameSplit split = split_frame(as_bytes(bytes), 0);
      if (split.state != FrameState::complete) {
        lines.push_back("GARBAGE of " + std::to_string(bytes.size()));
        break;
      }
      lines.push_back(std::to_string(split.frame.channel) + " " + describe_frame(split.frame));
      bytes.remove_prefix(static_cast<std::size_t>(split.bytes));
    }
    return lines;
  }

  static std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false, any = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
        any = true;
      } else if (c == ' ' && !quoted) {
        if (any) words.push_back(std::exchange(word, {}));
        any = false;
      } else {
        word += c;
        any = true;
      }
    }
    if (any) words.push_back(word);
    return words;
  }

 private:
  static std::string frame(FrameType type, std::uint16_t channel, const std::string& payload) {
    Buffer out;
    out.put_be(static_cast<std::uint8_t>(type));
    out.put_be(channel);
    out.put_be(static_cast<std::uint32_t>(payload.size()));
    out.append(payload);
    out.put_be(kFrameEnd);
    return std::string(as_text(out.view()));
  }

  static std::map<std::string, std::string> assignments(const std::vector<std::string>& words) {
    std::map<std::string, std::string> values;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const std::size_t equals = words[i].find('=');
      MILLRACE_ASSERT(equals != std::string::npos, "a field of the scenario has no value");
      values[words[i].substr(0, equals)] = words[i].substr(equals + 1);
    }
    return values;
  }

  const Method* find(std::string_view name) const {
    for (const Method& method : methods_) {
      if (method.name == name) return &method;
    }
    return nullptr;
  }

  // {key:S=text,key:I=5,key:t=1,key:A=a|b,key:F=}
  static void put_table(Buffer& out, std::string text) {
    Buffer entries;
    TableBuilder table(entries);
    if (text.size() > 2) {
      std::istringstream in(text.substr(1, text.size() - 2));
      std::string entry;
      while (std::getline(in, entry, ',')) {
        const std::size_t colon = entry.find(':');
        const std::string key = entry.substr(0, colon), value = entry.substr(colon + 3);
        switch (entry.at(colon + 1)) {
          case 'S':
            table.put_text(key, value);
            break;
          case 'I':
            table.put_int(key, std::stoi(value));
            break;
          case 'l':
            table.put_long(key, std::stoll(value));
            break;
          case 't':
            table.put_bool(key, value == "1");
            break;
          case 'A': {
            table.begin_array(key);
            std::istringstream elements(value);
            std::string element;
            while (std::getline(elements, element, '|')) table.put_text(element);
            table.end_array();
            break;
          }
          case 'F': {  // a table of true values: capabilities
            table.begin_table(key);
            std::istringstream elements(value);
            std::string element;
            while (std::getline(elements, element, '|')) table.put_bool(element, true);
            table.end_table();
            break;
          }
          default:
            MILLRACE_ASSERT(false, "the scenario uses a type that it may not");
        }
      }
    }
    out.put_be(static_cast<std::uint32_t>(entries.size()));
    out.append(entries.view());
  }

  static void put(Buffer& out, const std::string& type, const std::string& text) {
    const std::uint64_t number = type.starts_with("long") || type == "short" || type == "octet"
                                     ? (type != "longstr" && !text.empty() ? std::stoull(text) : 0)
                                     : 0;
    if (type == "octet") out.put_be(static_cast<std::uint8_t>(number));
    if (type == "short") out.put_be(static_cast<std::uint16_t>(number));
    if (type == "long") out.put_be(static_cast<std::uint32_t>(number));
    if (type == "longlong") out.put_be(number);
    if (type == "shortstr") {
      out.put_be(static_cast<std::uint8_t>(text.size()));
      out.append(text);
    }
    if (type == "longstr") {
      std::string value;
      for (std::size_t i = 0; i < text.size(); ++i) {
        const bool zero = text.compare(i, 2, "\\0") == 0;
        value += zero ? '\0' : text[i];
        i += zero ? 1 : 0;
      }
      out.put_be(static_cast<std::uint32_t>(value.size()));
      out.append(value);
    }
    if (type == "table") put_table(out, text);
  }

  static std::string show(ValueView value) {
    if (const auto table = value.as_table()) return show(*table);
    if (const auto array = value.as_array()) {
      std::string text = "[";
      for (const ValueView& element : *array) text += (text.size() > 1 ? "|" : "") + show(element);
      return text + "]";
    }
    if (const auto seconds = value.as_timestamp()) return std::to_string(*seconds);
    return describe(value);
  }
  static std::string show(TableView table) {
    std::string text = "{";
    for (const TableEntry& entry : table) {
      if (text.size() > 1) text += ",";
      text += std::string(entry.key) + ":" + entry.value.type() + "=" + show(entry.value);
    }
    return text + "}";
  }

  static std::string show(Reader& in, const std::string& type) {
    if (type == "octet") return std::to_string(in.u8());
    if (type == "short") return std::to_string(in.be<std::uint16_t>());
    if (type == "long") return std::to_string(in.be<std::uint32_t>());
    if (type == "longlong") return std::to_string(in.be<std::uint64_t>());
    if (type == "table") return show(TableView{in.bytes(in.be<std::uint32_t>())});
    const std::string text(type == "shortstr" ? in.text(in.u8()) : in.text(in.be<std::uint32_t>()));
    return text.find(' ') == std::string::npos ? text : "\"" + text + "\"";
  }

  std::string describe_frame(const Frame& frame) const {
    Reader in(frame.payload);
    if (frame.type == FrameType::heartbeat) return "heartbeat";
    if (frame.type == FrameType::body) {
      const std::string_view text = as_text(frame.payload);
      return text.size() <= 40 ? "body " + std::string(text) : "body of " + std::to_string(text.size());
    }
    if (frame.type == FrameType::header) {
      in.be<std::uint32_t>();
      std::string line = "header body-size=" + std::to_string(in.be<std::uint64_t>());
      const std::uint16_t flags = in.be<std::uint16_t>();
      std::uint16_t flag = 1 << 15;
      for (const Field& field : property_fields()) {
        if ((flags & flag) != 0) line += " " + field.name + "=" + show(in, field.type);
        flag = static_cast<std::uint16_t>(flag >> 1);
      }
      return line + (in.failed() || !in.at_end() ? " BROKEN" : "");
    }
    const std::uint32_t id = in.be<std::uint32_t>();
    for (const Method& method : methods_) {
      if (method.id != id) continue;
      std::string line = method.name;
      unsigned bit = 0;
      std::uint8_t bits = 0;
      for (const Field& field : method.fields) {
        if (field.type != "bit") {
          bit = 0;
          line += " " + field.name + "=" + show(in, field.type);
          continue;
        }
        if (bit == 0) bits = in.u8();
        if ((bits >> bit & 1) != 0) line += " " + field.name + "=1";
        ++bit;
      }
      return line + (in.failed() || !in.at_end() ? " BROKEN" : "");
    }
    return "UNKNOWN METHOD";
  }

  std::vector<Method> methods_;
};

}  // namespace millrace::amqp091::testing
