// A message: immutable once published, shared by reference, one allocation with its header block and body.
//
// It is kept as it came: `header` is the property block of the protocol it came in by, untouched, read
// through that protocol's MessageFormat when something must be looked at.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/ref.hpp"
#include "base/ref_counted.hpp"
#include "broker/value.hpp"

namespace millrace::broker {

// The protocol whose encoding `header` is in. Stored on disk: numbers never change.
enum class Origin : std::uint8_t { internal = 0, amqp091 = 1 };
inline constexpr std::size_t kOrigins = 2;

// One way this message has died, RabbitMQ's x-death entry. Newest first in Annotations::deaths.
struct Death {
  std::string queue;
  std::string reason;  // rejected, expired, maxlen, delivery_limit
  std::string exchange;
  std::vector<std::string> routing_keys;
  std::int64_t count = 0;
  std::int64_t time_s = 0;  // of the first death for this (queue, reason)
  std::optional<std::string> original_expiration;

  friend bool operator==(const Death&, const Death&) = default;
};

// What the broker has to say about a message beyond what its publisher said. Rare, so apart.
struct Annotations {
  std::vector<Death> deaths;
  // RabbitMQ's x-first-death-* and x-last-death-* headers follow from these.
  std::string first_death_queue, first_death_reason, first_death_exchange;
  std::string last_death_queue, last_death_reason, last_death_exchange;
  bool drop_expiration = false;           // the publisher's expiration no longer applies
  std::optional<std::string> message_id;  // stamped by the broker where the publisher gave none
  std::int64_t delayed_ms = 0;            // an exchange has held it back so long, and none does so again
};

// What a publisher says about a message, in no protocol's encoding. Texts are at most 255 bytes.
struct MessageProperties {
  std::optional<std::string> content_type, content_encoding, correlation_id, reply_to, expiration, message_id,
      type, user_id, app_id, cluster_id;
  std::optional<std::uint8_t> delivery_mode;  // 2: persistent
  std::optional<std::uint8_t> priority;
  std::optional<std::uint64_t> timestamp;  // seconds
  std::optional<Arguments> headers;
};

class Message final : public RefCounted {
 public:
  struct Fields {
    Origin origin = Origin::internal;
    bool durable = false;
    std::uint8_t priority = 0;
    std::int64_t ttl_ms = -1;        // the publisher's, -1: none
    std::int64_t received_ms = 0;    // wall clock
    std::int64_t timestamp_ms = -1;  // the publisher's, -1: none
    std::string_view exchange;       // as published; at most 65535 bytes
    std::string_view routing_key;    // likewise
    ByteView header;
  };

  // Copies the fields; the body is left for the caller to fill through body_room() before it shares the
  // message.
  static Ref<Message> create(const Fields& fields, std::size_t body_bytes);
  static Ref<Message> create(const Fields& fields, ByteView body);

  Origin origin() const noexcept { return origin_; }
  bool durable() const noexcept { return durable_; }
  std::uint8_t priority() const noexcept { return priority_; }
  std::int64_t ttl_ms() const noexcept { return ttl_ms_; }
  std::int64_t received_ms() const noexcept { return received_ms_; }
  std::int64_t timestamp_ms() const noexcept { return timestamp_ms_; }
  std::string_view exchange() const noexcept { return {text(), exchange_bytes_}; }
  std::string_view routing_key() const noexcept { return {text() + exchange_bytes_, routing_key_bytes_}; }
  ByteView header() const noexcept { return {bytes() + exchange_bytes_ + routing_key_bytes_, header_bytes_}; }
  ByteView body() const noexcept {
    return {bytes() + exchange_bytes_ + routing_key_bytes_ + header_bytes_, body_bytes_};
  }
  // Heap bytes this message takes.
  std::size_t footprint() const noexcept;

  // For who puts it into several queues, before any has it: a shard then counts its memory once.
  void share(std::size_t shards) const { holders_ = std::make_unique<std::uint32_t[]>(shards); }
  // A queue of that shard takes it into memory, or lets it go: whether it is the first, or the last of them.
  // The shard's thread.
  bool taken_on(std::size_t shard) const noexcept { return !holders_ || holders_[shard]++ == 0; }
  bool left_on(std::size_t shard) const noexcept { return !holders_ || --holders_[shard] == 0; }

  const Annotations* annotations() const noexcept { return annotations_.get(); }

  // For a message like this one: all that is not its body or its annotations, as views into this one.
  Fields fields() const noexcept;
  // A copy to be changed; empty ones when there are none.
  std::unique_ptr<Annotations> copy_annotations() const;

  // For the creator, before the message is shared.
  std::uint8_t* body_room() noexcept { return const_cast<std::uint8_t*>(body().data()); }
  void receive_at(std::int64_t wall_ms) noexcept { received_ms_ = wall_ms; }
  void annotate(std::unique_ptr<const Annotations> annotations) noexcept {
    annotations_ = std::move(annotations);
  }

  static void operator delete(void* memory) noexcept;

 private:
  Message() = default;
  ~Message() override = default;
  const std::uint8_t* bytes() const noexcept { return reinterpret_cast<const std::uint8_t*>(this + 1); }
  const char* text() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  Origin origin_ = Origin::internal;
  bool durable_ = false;
  std::uint8_t priority_ = 0;
  std::uint16_t exchange_bytes_ = 0;
  std::uint16_t routing_key_bytes_ = 0;
  std::uint32_t header_bytes_ = 0;
  std::uint32_t body_bytes_ = 0;
  std::int64_t ttl_ms_ = -1;
  std::int64_t received_ms_ = 0;
  std::int64_t timestamp_ms_ = -1;
  std::unique_ptr<const Annotations> annotations_;
  mutable std::unique_ptr<std::uint32_t[]> holders_;  // by shard, each touches its own
};

using MessageRef = Ref<const Message>;

// The form in log records and segments: a prefix made here, then header and body as they are. See
// docs/format/message.md.
void put_message_prefix(Buffer& out, const Message& message);
// Reads prefix, header and body back; null when malformed.
Ref<Message> read_message(ByteView stored);
// The same of prefix and header alone: the body is left for the caller to fill through body_room().
Ref<Message> read_message_head(ByteView stored);

// How the core looks into a header block. One for each origin, registered at start; stateless, any thread.
class HeaderVisitor {
 public:
  virtual ~HeaderVisitor() = default;
  // Return false to stop.
  virtual bool header(std::string_view key, const Value& value) = 0;
};

struct Delivery;

class MessageFormat {
 public:
  virtual ~MessageFormat() = default;
  virtual void headers(const Message& message, HeaderVisitor& visitor) const = 0;
  virtual std::optional<Value> header(const Message& message, std::string_view key) const = 0;
  virtual std::optional<std::string> message_id(const Message& message) const = 0;
  virtual std::optional<std::string> correlation_id(const Message& message) const = 0;
  virtual std::optional<std::string> expiration_text(const Message& message) const = 0;
  // "timestamp", "message-id", … by the name consistent-hash exchanges use in `hash-property`.
  virtual std::optional<std::string> property(const Message& message, std::string_view name) const = 0;
  // As its consumer is to see them, with what the broker adds.
  virtual MessageProperties delivered(const Delivery& delivery) const;
  // Appends a header block that says this. False: it cannot be said, because a header is nested too deeply.
  virtual bool put_header(Buffer& out, const MessageProperties& properties) const;
};

// Indexed by Origin; entries are never null.
struct MessageFormats {
  const MessageFormat* by_origin[kOrigins];
  const MessageFormat& of(const Message& message) const noexcept {
    return *by_origin[static_cast<std::size_t>(message.origin())];
  }
};

// The format of messages that the broker makes itself: no headers.
const MessageFormat& internal_format() noexcept;

}  // namespace millrace::broker
