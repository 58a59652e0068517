#include "broker/message.hpp"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "base/assert.hpp"
#include "base/reader.hpp"
#include "base/varint.hpp"

namespace millrace::broker {
namespace {

// docs/format/message.md
constexpr std::uint8_t kPrefixVersion = 1;
enum PrefixFlag : std::uint8_t {
  kDurable = 1,
  kTtl = 2,
  kTimestamp = 4,
  kAnnotations = 8,
  kKnownPrefixFlags = 15
};
enum AnnotationFlag : std::uint8_t {
  kDropExpiration = 1,
  kMessageId = 2,
  kDelayed = 4,
  kKnownAnnotationFlags = 7
};

// The shortest death: six empty texts or zero numbers of one byte, an eight-byte time, a flag.
constexpr std::size_t kLeastDeathBytes = 14;

void put_death(Buffer& out, const Death& death) {
  put_sized_text(out, death.queue);
  put_sized_text(out, death.reason);
  put_sized_text(out, death.exchange);
  put_varint(out, death.routing_keys.size());
  for (const std::string& key : death.routing_keys) put_sized_text(out, key);
  put_varint(out, static_cast<std::uint64_t>(death.count));
  out.put_le(death.time_s);
  *out.extend(1) = death.original_expiration ? 1 : 0;
  if (death.original_expiration) put_sized_text(out, *death.original_expiration);
}

Death read_death(Reader& in) {
  Death death;
  death.queue = in.sized_text();
  death.reason = in.sized_text();
  death.exchange = in.sized_text();
  const std::uint64_t keys = in.varint();
  if (keys > in.remaining()) in.fail();
  for (std::uint64_t i = 0; i < keys && !in.failed(); ++i) death.routing_keys.emplace_back(in.sized_text());
  death.count = static_cast<std::int64_t>(in.varint());
  death.time_s = in.le<std::int64_t>();
  const std::uint8_t has_expiration = in.u8();
  if (has_expiration > 1) in.fail();
  if (has_expiration == 1) death.original_expiration.emplace(in.sized_text());
  return death;
}

void put_annotations(Buffer& out, const Annotations& annotations) {
  put_varint(out, annotations.deaths.size());
  for (const Death& death : annotations.deaths) put_death(out, death);
  for (const std::string* text :
       {&annotations.first_death_queue, &annotations.first_death_reason, &annotations.first_death_exchange,
        &annotations.last_death_queue, &annotations.last_death_reason, &annotations.last_death_exchange}) {
    put_sized_text(out, *text);
  }
  *out.extend(1) = static_cast<std::uint8_t>((annotations.drop_expiration ? kDropExpiration : 0) |
                                             (annotations.message_id ? kMessageId : 0) |
                                             (annotations.delayed_ms != 0 ? kDelayed : 0));
  if (annotations.message_id) put_sized_text(out, *annotations.message_id);
  if (annotations.delayed_ms != 0) put_varint(out, static_cast<std::uint64_t>(annotations.delayed_ms));
}

std::unique_ptr<const Annotations> read_annotations(Reader& in) {
  auto annotations = std::make_unique<Annotations>();
  const std::uint64_t deaths = in.varint();
  if (deaths > in.remaining() / kLeastDeathBytes) in.fail();
  for (std::uint64_t i = 0; i < deaths && !in.failed(); ++i) annotations->deaths.push_back(read_death(in));
  for (std::string* text :
       {&annotations->first_death_queue, &annotations->first_death_reason, &annotations->first_death_exchange,
        &annotations->last_death_queue, &annotations->last_death_reason, &annotations->last_death_exchange}) {
    *text = in.sized_text();
  }
  const std::uint8_t flags = in.u8();
  if ((flags & ~kKnownAnnotationFlags) != 0) in.fail();
  annotations->drop_expiration = (flags & kDropExpiration) != 0;
  if ((flags & kMessageId) != 0) annotations->message_id.emplace(in.sized_text());
  if ((flags & kDelayed) != 0) annotations->delayed_ms = static_cast<std::int64_t>(in.varint());
  return annotations;
}

std::size_t heap_bytes(const std::string& text) noexcept {
  static const std::size_t inside = std::string().capacity();
  return text.capacity() > inside ? text.capacity() + 1 : 0;
}

std::size_t heap_bytes(const Annotations& annotations) noexcept {
  std::size_t bytes = sizeof annotations + annotations.deaths.capacity() * sizeof(Death);
  for (const Death& death : annotations.deaths) {
    bytes += heap_bytes(death.queue) + heap_bytes(death.reason) + heap_bytes(death.exchange);
    bytes += death.routing_keys.capacity() * sizeof(std::string);
    for (const std::string& key : death.routing_keys) bytes += heap_bytes(key);
    if (death.original_expiration) bytes += heap_bytes(*death.original_expiration);
  }
  for (const std::string* text :
       {&annotations.first_death_queue, &annotations.first_death_reason, &annotations.first_death_exchange,
        &annotations.last_death_queue, &annotations.last_death_reason, &annotations.last_death_exchange}) {
    bytes += heap_bytes(*text);
  }
  return annotations.message_id ? bytes + heap_bytes(*annotations.message_id) : bytes;
}

class InternalFormat final : public MessageFormat {
 public:
  void headers(const Message&, HeaderVisitor&) const override {}
  std::optional<Value> header(const Message&, std::string_view) const override { return std::nullopt; }
  std::optional<std::string> message_id(const Message&) const override { return std::nullopt; }
  std::optional<std::string> correlation_id(const Message&) const override { return std::nullopt; }
  std::optional<std::string> expiration_text(const Message&) const override { return std::nullopt; }
  std::optional<std::string> property(const Message&, std::string_view) const override {
    return std::nullopt;
  }
};

}  // namespace

Ref<Message> Message::create(const Fields& fields, std::size_t body_bytes) {
  MILLRACE_ASSERT(fields.exchange.size() <= std::numeric_limits<std::uint16_t>::max(),
                  "a name is this long at most");
  MILLRACE_ASSERT(fields.routing_key.size() <= std::numeric_limits<std::uint16_t>::max(),
                  "a routing key is this long at most");
  MILLRACE_ASSERT(fields.header.size() <= std::numeric_limits<std::uint32_t>::max(),
                  "sessions bound headers");
  MILLRACE_ASSERT(body_bytes <= std::numeric_limits<std::uint32_t>::max(), "sessions bound bodies");

  const std::size_t trailing =
      fields.exchange.size() + fields.routing_key.size() + fields.header.size() + body_bytes;
  void* memory = std::malloc(sizeof(Message) + trailing);
  if (memory == nullptr) throw std::bad_alloc();
  auto* message = ::new (memory) Message();
  message->origin_ = fields.origin;
  message->durable_ = fields.durable;
  message->priority_ = fields.priority;
  message->exchange_bytes_ = static_cast<std::uint16_t>(fields.exchange.size());
  message->routing_key_bytes_ = static_cast<std::uint16_t>(fields.routing_key.size());
  message->header_bytes_ = static_cast<std::uint32_t>(fields.header.size());
  message->body_bytes_ = static_cast<std::uint32_t>(body_bytes);
  message->ttl_ms_ = fields.ttl_ms;
  message->received_ms_ = fields.received_ms;
  message->timestamp_ms_ = fields.timestamp_ms;

  auto* at = static_cast<std::uint8_t*>(memory) + sizeof(Message);
  for (const ByteView part : {as_bytes(fields.exchange), as_bytes(fields.routing_key), fields.header}) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return Ref<Message>::adopt(message);
}

Ref<Message> Message::create(const Fields& fields, ByteView body) {
  Ref<Message> message = create(fields, body.size());
  if (!body.empty()) std::memcpy(message->body_room(), body.data(), body.size());
  return message;
}

Message::Fields Message::fields() const noexcept {
  return {origin_,       durable_,   priority_,     ttl_ms_, received_ms_,
          timestamp_ms_, exchange(), routing_key(), header()};
}

std::unique_ptr<Annotations> Message::copy_annotations() const {
  return annotations_ ? std::make_unique<Annotations>(*annotations_) : std::make_unique<Annotations>();
}

std::size_t Message::footprint() const noexcept {
  const std::size_t bytes =
      sizeof(Message) + exchange_bytes_ + routing_key_bytes_ + std::size_t{header_bytes_} + body_bytes_;
  return annotations_ ? bytes + heap_bytes(*annotations_) : bytes;
}

void Message::operator delete(void* memory) noexcept {
  std::free(memory);
}

void put_message_prefix(Buffer& out, const Message& message) {
  std::uint8_t flags = message.durable() ? kDurable : 0;
  if (message.ttl_ms() >= 0) flags |= kTtl;
  if (message.timestamp_ms() >= 0) flags |= kTimestamp;
  if (message.annotations() != nullptr) flags |= kAnnotations;
  std::uint8_t* at = out.extend(4);
  at[0] = kPrefixVersion;
  at[1] = static_cast<std::uint8_t>(message.origin());
  at[2] = flags;
  at[3] = message.priority();
  out.put_le(message.received_ms());
  if ((flags & kTtl) != 0) put_varint(out, static_cast<std::uint64_t>(message.ttl_ms()));
  if ((flags & kTimestamp) != 0) put_varint(out, static_cast<std::uint64_t>(message.timestamp_ms()));
  put_sized_text(out, message.exchange());
  put_sized_text(out, message.routing_key());
  put_varint(out, message.header().size());
  put_varint(out, message.body().size());
  if ((flags & kAnnotations) != 0) put_annotations(out, *message.annotations());
}

namespace {

Ref<Message> read_stored(ByteView stored, bool body_follows) {
  Reader in(stored);
  if (in.u8() != kPrefixVersion) return nullptr;
  Message::Fields fields;
  const std::uint8_t origin = in.u8();
  if (origin >= kOrigins) return nullptr;
  fields.origin = static_cast<Origin>(origin);
  const std::uint8_t flags = in.u8();
  if ((flags & ~kKnownPrefixFlags) != 0) return nullptr;
  fields.durable = (flags & kDurable) != 0;
  fields.priority = in.u8();
  fields.received_ms = in.le<std::int64_t>();
  if ((flags & kTtl) != 0) fields.ttl_ms = static_cast<std::int64_t>(in.varint());
  if ((flags & kTimestamp) != 0) fields.timestamp_ms = static_cast<std::int64_t>(in.varint());
  if (fields.ttl_ms < -1 || fields.timestamp_ms < -1) return nullptr;
  fields.exchange = in.sized_text();
  fields.routing_key = in.sized_text();
  constexpr std::size_t kMaxName = std::numeric_limits<std::uint16_t>::max();
  if (fields.exchange.size() > kMaxName || fields.routing_key.size() > kMaxName) return nullptr;
  const std::uint64_t header_bytes = in.varint();
  const std::uint64_t body_bytes = in.varint();
  std::unique_ptr<const Annotations> annotations;
  if ((flags & kAnnotations) != 0) annotations = read_annotations(in);

  // What remains must be header and body exactly; in this order no sum can overflow.
  constexpr std::uint64_t kMaxPart = std::numeric_limits<std::uint32_t>::max();
  if (in.failed() || header_bytes > in.remaining()) return nullptr;
  if (in.remaining() - header_bytes != (body_follows ? body_bytes : 0)) return nullptr;
  if (header_bytes > kMaxPart || body_bytes > kMaxPart) return nullptr;
  fields.header = in.bytes(static_cast<std::size_t>(header_bytes));
  Ref<Message> message = body_follows ? Message::create(fields, in.rest())
                                      : Message::create(fields, static_cast<std::size_t>(body_bytes));
  if (annotations) message->annotate(std::move(annotations));
  return message;
}

}  // namespace

Ref<Message> read_message(ByteView stored) {
  return read_stored(stored, true);
}

Ref<Message> read_message_head(ByteView stored) {
  return read_stored(stored, false);
}

MessageProperties MessageFormat::delivered(const Delivery&) const {
  return {};
}

bool MessageFormat::put_header(Buffer&, const MessageProperties&) const {
  return true;
}

const MessageFormat& internal_format() noexcept {
  static const InternalFormat format;
  return format;
}

}  // namespace millrace::broker
