// Any bytes as what a peer sends: they are cut into frames, and what parses must survive being written again.
//
// The first byte of an input chooses frame_max and the sizes of the reads; the rest is the stream.

#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "codec/amqp091/content.hpp"
#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/methods_test_fields.hpp"
#include "codec/amqp091/properties.hpp"
#include "codec/amqp091/table_builder.hpp"

namespace millrace::amqp091 {
namespace {

bool same(ByteView a, ByteView b) {
  return as_text(a) == as_text(b);
}

// Reads every value and returns how many there are. Recursion is bounded: callers have asked valid().
std::size_t walk(TableView table);

std::size_t walk(ValueView value) {
  std::size_t values = 1;
  if (const auto table = value.as_table()) values += walk(*table);
  if (const auto array = value.as_array()) {
    for (const ValueView& element : *array) values += walk(element);
  }
  MILLRACE_ASSERT(describe(value).size() < 1024, "a description has no bound");
  return values;
}

std::size_t walk(TableView table) {
  std::size_t values = 0;
  for (const TableEntry& entry : table) values += walk(entry.value);
  return values;
}

void check_table(TableView table) {
  std::size_t bytes = 0;
  for (const TableEntry& entry : table) bytes += entry.encoded.size();
  MILLRACE_ASSERT(bytes <= table.bytes.size(), "the walk left the table");
  if (!valid(table)) return;
  MILLRACE_ASSERT(bytes == table.bytes.size(), "the walk ended early in a valid table");
  MILLRACE_ASSERT(walk(table) <= table.bytes.size(), "more values than bytes");
  // What a builder makes of the entries is the same table.
  Buffer out;
  TableBuilder builder(out);
  for (const TableEntry& entry : table) builder.put_raw(entry.key, entry.value.type(), entry.value.encoded());
  MILLRACE_ASSERT(same(builder.view().bytes, table.bytes), "entries changed when written again");
}

struct CheckMethod {
  ByteView payload;

  template <class Method>
  void operator()(const Method& parsed) const {
    Method method = parsed;
    for_each_field(method, [](const auto& field) {
      if constexpr (std::is_same_v<std::decay_t<decltype(field)>, TableView>) check_table(field);
    });
    Buffer once;
    encode(once, 1, method);
    // Only bits without a meaning may differ from what came in.
    MILLRACE_ASSERT(once.size() == payload.size() + kFrameOverhead, "a method changed its size");
    const FrameSplit split = split_frame(once.view(), 0);
    MILLRACE_ASSERT(split.state == FrameState::complete, "a written method is no frame");
    Method again;
    Reader in(split.frame.payload.subspan(sizeof Method::id));
    MILLRACE_ASSERT(Method::parse(in, again), "a written method does not parse");
    Buffer twice;
    encode(twice, 1, again);
    MILLRACE_ASSERT(same(once.view(), twice.view()), "a method changed when written again");
  }
};

void check_properties(const ContentHeader& header) {
  Buffer out;
  write_properties(out, header.properties);
  MILLRACE_ASSERT(same(out.view(), header.raw), "properties changed when written again");
  out.clear();
  MILLRACE_ASSERT(rewrite(out, header.raw, {}) && same(out.view(), header.raw), "no edit, yet other bytes");
  if (header.properties.headers) check_table(*header.properties.headers);

  Buffer added;
  TableBuilder(added).put_int("x-added", 7);
  std::string_view dropped[] = {"x-added"};
  if (header.properties.headers && !header.properties.headers->empty())
    dropped[0] = (*header.properties.headers->begin()).key;
  Edit edit;
  edit.drop_headers = dropped;
  edit.append_headers = added.view();
  edit.drop_expiration = true;
  edit.message_id = "m";
  out.clear();
  MILLRACE_ASSERT(rewrite(out, header.raw, edit), "valid properties cannot be edited");
  Properties edited;
  MILLRACE_ASSERT(parse_properties(out.view(), edited), "edited properties do not parse");
  MILLRACE_ASSERT(!edited.expiration && edited.message_id == "m" && edited.headers, "an edit is not there");
  MILLRACE_ASSERT(edited.type == header.properties.type && edited.priority == header.properties.priority,
                  "an edit changed what it does not name");
  const auto last = find(*edited.headers, "x-added");
  MILLRACE_ASSERT(last && (dropped[0] == "x-added" || !find(*edited.headers, dropped[0])),
                  "headers were not edited");
}

class Owner final : public RefCounted {};

void check_body(ByteView body) {
  constexpr std::uint32_t kFrameMax = 64;
  Buffer copied;
  write_body(copied, 1, body, kFrameMax);
  std::size_t found = 0;
  for (ByteView left = copied.view(); !left.empty();) {
    const FrameSplit split = split_frame(left, kFrameMax);
    MILLRACE_ASSERT(split.state == FrameState::complete && split.bytes <= kFrameMax, "a body frame is wrong");
    MILLRACE_ASSERT(same(split.frame.payload, body.subspan(found, split.frame.payload.size())),
                    "a body changed");
    found += split.frame.payload.size();
    left = left.subspan(split.bytes);
  }
  MILLRACE_ASSERT(found == body.size(), "a body lost bytes");
  OutputQueue shared;
  write_body(shared, 1, body, Ref<const RefCounted>::adopt(new Owner), 0);
  MILLRACE_ASSERT(shared.size() == (body.empty() ? 0 : body.size() + kFrameOverhead),
                  "a body of one frame has another size");
}

void check_frame(const Frame& frame) {
  switch (frame.type) {
    case FrameType::method: {
      std::uint32_t id = 0;
      if (visit_method(frame.payload, id, CheckMethod{frame.payload}) == Parsed::ok)
        MILLRACE_ASSERT(!method_name(id).empty(), "a method without a name");
      break;
    }
    case FrameType::header: {
      ContentHeader header;
      if (parse_content_header(frame.payload, header) == HeaderParsed::ok) check_properties(header);
      break;
    }
    case FrameType::body:
      check_body(frame.payload);
      break;
    case FrameType::heartbeat:
      break;
  }
}

// Feeds the stream in reads of `read_bytes`, as a connection does. Returns how much of it was cut into
// frames.
std::size_t feed(ByteView stream, std::size_t read_bytes, std::uint32_t frame_max, bool check) {
  Buffer received;
  std::size_t consumed = 0;
  std::uint64_t wanted = 1;
  while (!stream.empty()) {
    const ByteView read = stream.first(std::min(read_bytes, stream.size()));
    stream = stream.subspan(read.size());
    received.append(read);
    if (received.size() < wanted) continue;
    for (;;) {
      const FrameSplit split = split_frame(received.view(), frame_max);
      wanted = split.bytes;
      if (split.state == FrameState::need_more) {
        MILLRACE_ASSERT(split.bytes > received.size(), "asks for what it has");
        break;
      }
      if (split.state != FrameState::complete) return consumed;
      if (check) check_frame(split.frame);
      received.consume(split.bytes);
      consumed += split.bytes;
    }
  }
  return consumed;
}

}  // namespace
}  // namespace millrace::amqp091

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace::amqp091;
  if (size == 0) return 0;
  const std::uint32_t frame_max = (data[0] & 1) != 0 ? 0 : kMinFrameMax;
  const std::size_t read_bytes = std::size_t{1} << (data[0] >> 1 & 15);
  millrace::ByteView stream{data + 1, size - 1};
  const Greeting greeting = classify_greeting(stream);
  if (greeting == Greeting::amqp091 || greeting == Greeting::amqp09) stream = stream.subspan(kGreetingBytes);
  const std::size_t consumed = feed(stream, read_bytes, frame_max, true);
  MILLRACE_ASSERT(consumed == feed(stream, std::max<std::size_t>(1, stream.size()), frame_max, false),
                  "the sizes of reads change what is received");
  return 0;
}
