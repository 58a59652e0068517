#include "codec/amqp091/properties.hpp"

#include <algorithm>

#include "base/reader.hpp"
#include "codec/amqp091/constants.hpp"
#include "codec/amqp091/wire.hpp"

namespace millrace::amqp091 {

namespace {

enum Flag : std::uint16_t {
  kContentType = 1 << 15,
  kContentEncoding = 1 << 14,
  kHeaders = 1 << 13,
  kDeliveryMode = 1 << 12,
  kPriority = 1 << 11,
  kCorrelationId = 1 << 10,
  kReplyTo = 1 << 9,
  kExpiration = 1 << 8,
  kMessageId = 1 << 7,
  kTimestamp = 1 << 6,
  kType = 1 << 5,
  kUserId = 1 << 4,
  kAppId = 1 << 3,
  kClusterId = 1 << 2,
  kUndefined = 1 << 1,
  kContinuation = 1 << 0,
};

std::string_view short_text(Reader& in) noexcept {
  return in.text(in.u8());
}
TableView table(Reader& in) noexcept {
  return {in.bytes(in.be<std::uint32_t>())};
}

void append_short_text(Buffer& out, std::string_view text) {
  wire::put_short_text(out.extend(wire::short_text_bytes(text)), text);
}

// Copies the entries whose key is in none of `dropped`, whole stretches at a time.
void copy_headers(Buffer& out, TableView headers, std::span<const std::string_view> dropped) {
  const std::uint8_t* from = headers.bytes.data();
  const std::uint8_t* const end = from + headers.bytes.size();
  for (const TableEntry& entry : headers) {
    if (std::find(dropped.begin(), dropped.end(), entry.key) == dropped.end()) continue;
    out.append(ByteView{from, entry.encoded.data()});
    from = entry.encoded.data() + entry.encoded.size();
  }
  out.append(ByteView{from, end});
}

// One pass over a property block that copies each property or puts another in its place.
class Rewriter {
 public:
  Rewriter(Buffer& out, ByteView raw)
      : out_(out), in_(raw), old_flags_(in_.be<std::uint16_t>()), start_(out.size()) {
    out_.extend(sizeof new_flags_);
  }

  void keep_short_text(Flag flag) {
    if (has(flag)) copy(flag, [&] { short_text(in_); });
  }
  void keep_fixed(Flag flag, std::size_t bytes) {
    if (has(flag)) copy(flag, [&] { in_.bytes(bytes); });
  }
  void short_text_or(Flag flag, const std::optional<std::string_view>& replacement, bool drop = false) {
    if (!replacement && !drop) return keep_short_text(flag);
    if (has(flag)) short_text(in_);
    if (!replacement) return;
    append_short_text(out_, *replacement);
    new_flags_ |= flag;
  }
  void octet_or(Flag flag, const std::optional<std::uint8_t>& replacement) {
    if (!replacement) return keep_fixed(flag, 1);
    if (has(flag)) in_.u8();
    out_.put_be(*replacement);
    new_flags_ |= flag;
  }
  void headers(const Edit& edit) {
    if (!has(kHeaders) && edit.append_headers.empty()) return;
    new_flags_ |= kHeaders;
    const std::size_t length_at = out_.size();
    out_.extend(4);
    if (has(kHeaders)) {
      const TableView headers = table(in_);
      if (edit.drop_headers.empty()) {
        out_.append(headers.bytes);
      } else if (valid(headers)) {
        copy_headers(out_, headers, edit.drop_headers);
      } else {
        in_.fail();
      }
    }
    out_.append(edit.append_headers);
    store_be(out_.data() + length_at, static_cast<std::uint32_t>(out_.size() - length_at - 4));
  }

  bool finish() {
    if (in_.failed() || !in_.at_end() || has(kUndefined) || has(kContinuation))
      return out_.truncate(start_), false;
    store_be(out_.data() + start_, new_flags_);
    return true;
  }

 private:
  bool has(Flag flag) const noexcept { return (old_flags_ & flag) != 0; }
  template <class Skip>
  void copy(Flag flag, Skip skip) {
    const std::uint8_t* from = in_.position();
    skip();
    if (in_.failed()) return;
    out_.append(ByteView{from, in_.position()});
    new_flags_ |= flag;
  }

  Buffer& out_;
  Reader in_;
  std::uint16_t old_flags_;
  std::uint16_t new_flags_ = 0;
  std::size_t start_;
};

}  // namespace

bool parse_properties(ByteView raw, Properties& out) noexcept {
  return parse_checked_properties(raw, out) && (!out.headers || valid(*out.headers));
}

bool parse_checked_properties(ByteView raw, Properties& out) noexcept {
  out = {};
  Reader in(raw);
  const unsigned flags = in.be<std::uint16_t>();
  if (flags & kContentType) out.content_type = short_text(in);
  if (flags & kContentEncoding) out.content_encoding = short_text(in);
  if (flags & kHeaders) out.headers = table(in);
  if (flags & kDeliveryMode) out.delivery_mode = in.u8();
  if (flags & kPriority) out.priority = in.u8();
  if (flags & kCorrelationId) out.correlation_id = short_text(in);
  if (flags & kReplyTo) out.reply_to = short_text(in);
  if (flags & kExpiration) out.expiration = short_text(in);
  if (flags & kMessageId) out.message_id = short_text(in);
  if (flags & kTimestamp) out.timestamp = in.be<std::uint64_t>();
  if (flags & kType) out.type = short_text(in);
  if (flags & kUserId) out.user_id = short_text(in);
  if (flags & kAppId) out.app_id = short_text(in);
  if (flags & kClusterId) out.cluster_id = short_text(in);
  return in.at_end() && !in.failed() && (flags & (kUndefined | kContinuation)) == 0;
}

HeaderParsed parse_content_header(ByteView payload, ContentHeader& out) noexcept {
  Reader in(payload);
  out.class_id = in.be<std::uint16_t>();
  const std::uint16_t weight = in.be<std::uint16_t>();
  out.body_bytes = in.be<std::uint64_t>();
  if (in.failed() || weight != 0) return HeaderParsed::malformed;
  if (out.class_id != kBasicClass) return HeaderParsed::wrong_class;
  out.raw = in.rest();
  return parse_properties(out.raw, out.properties) ? HeaderParsed::ok : HeaderParsed::malformed;
}

void write_properties(Buffer& out, const Properties& properties) {
  const std::size_t start = out.size();
  out.extend(2);
  std::uint16_t flags = 0;
  const auto text = [&](Flag flag, const std::optional<std::string_view>& value) {
    if (!value) return;
    append_short_text(out, *value);
    flags |= flag;
  };
  const auto number = [&](Flag flag, const auto& value) {
    if (!value) return;
    out.put_be(*value);
    flags |= flag;
  };
  text(kContentType, properties.content_type);
  text(kContentEncoding, properties.content_encoding);
  if (properties.headers) {
    wire::put_long_bytes(out.extend(wire::long_bytes(properties.headers->bytes)), properties.headers->bytes);
    flags |= kHeaders;
  }
  number(kDeliveryMode, properties.delivery_mode);
  number(kPriority, properties.priority);
  text(kCorrelationId, properties.correlation_id);
  text(kReplyTo, properties.reply_to);
  text(kExpiration, properties.expiration);
  text(kMessageId, properties.message_id);
  number(kTimestamp, properties.timestamp);
  text(kType, properties.type);
  text(kUserId, properties.user_id);
  text(kAppId, properties.app_id);
  text(kClusterId, properties.cluster_id);
  store_be(out.data() + start, flags);
}

bool rewrite(Buffer& out, ByteView raw, const Edit& edit) {
  Rewriter block(out, raw);
  block.keep_short_text(kContentType);
  block.keep_short_text(kContentEncoding);
  block.headers(edit);
  block.octet_or(kDeliveryMode, edit.delivery_mode);
  block.keep_fixed(kPriority, 1);
  block.keep_short_text(kCorrelationId);
  block.short_text_or(kReplyTo, edit.reply_to);
  block.short_text_or(kExpiration, edit.expiration, edit.drop_expiration);
  block.short_text_or(kMessageId, edit.message_id);
  block.keep_fixed(kTimestamp, 8);
  block.keep_short_text(kType);
  block.keep_short_text(kUserId);
  block.keep_short_text(kAppId);
  block.keep_short_text(kClusterId);
  return block.finish();
}

}  // namespace millrace::amqp091
